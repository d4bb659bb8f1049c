/** @file Inputs of graphs that contain a denoiser. */

import { InputError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { expand, input } from "../graph/ops.js";
import type { Denoiser, DenoiserInputs, SoftTokenInput, SoftTokenSpec } from "./pipeline.js";

/** Adds an input for each conditioning tensor of `denoiser`, for `prompts` prompts. */
export function conditioningInputs(graph: Graph, denoiser: Denoiser, prompts: number): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(denoiser.conditioningShapes).map(([name, shape]) => [name, input(graph, name, [prompts, ...shape])]),
  );
}

/** A conditioning tensor by name. Throws an InputError if it is missing. */
export function conditioningOf({ conditioning }: DenoiserInputs, name: string): Value {
  const value = conditioning[name];
  if (value === undefined) throw new InputError(`this denoiser needs ${name} in its conditioning`);
  return value;
}

/** Adds the input `soft_tokens` [1, layers, count, width], the effective soft tokens, expanded to `prompts` prompts. */
export function softTokenInput(graph: Graph, { shape, stages }: SoftTokenSpec, prompts: number): SoftTokenInput {
  return { values: expand(input(graph, "soft_tokens", [1, ...shape]), [prompts, ...shape]), stages };
}

/** The feed of `softTokenInput`; empty for the base model. */
export function softTokenFeed(effective: FloatTensor | null): { readonly soft_tokens?: FloatTensor } {
  return effective === null ? {} : { soft_tokens: { ...effective, shape: [1, ...effective.shape] } };
}
