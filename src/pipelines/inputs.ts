/** @file The inputs of graphs that have a denoiser in them. */

import { InputError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { expand, input } from "../graph/ops.js";
import type { Denoiser, DenoiserInputs, SoftTokenInput, SoftTokenSpec } from "./pipeline.js";

/** What `denoiser` is told about `texts` texts, by input name. */
export function conditioningInputs(graph: Graph, denoiser: Denoiser, texts: number): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(denoiser.conditioningShapes).map(([name, shape]) => [name, input(graph, name, [texts, ...shape])]),
  );
}

/** One entry of a denoiser's conditioning, which must be there. */
export function conditioningOf({ conditioning }: DenoiserInputs, name: string): Value {
  const value = conditioning[name];
  if (value === undefined) throw new InputError(`this denoiser needs ${name} in its conditioning`);
  return value;
}

/** Effective soft tokens as the input `soft_tokens` [1, layers, count, width], the same for all of `texts` texts. */
export function softTokenInput(graph: Graph, { shape, stages }: SoftTokenSpec, texts: number): SoftTokenInput {
  return { values: expand(input(graph, "soft_tokens", [1, ...shape]), [texts, ...shape]), stages };
}

/** What `softTokenInput` is fed with; nothing for the plain model. */
export function softTokenFeed(effective: FloatTensor | null): { readonly soft_tokens?: FloatTensor } {
  return effective === null ? {} : { soft_tokens: { ...effective, shape: [1, ...effective.shape] } };
}
