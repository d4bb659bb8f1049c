/** @file Soft tokens at less than full strength. */

import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { add, mul, sub } from "../graph/ops.js";
import type { Denoiser, DenoiserInputs } from "./pipeline.js";

/**
 * base + strength (soft - base), where soft and base are the predictions with and without soft tokens. Scaling the tokens
 * themselves would have almost no effect, since every block starts with a layer norm. Strengths between 0 and 1 compute both
 * predictions.
 */
export function denoiseAtStrength(denoiser: Denoiser, graph: Graph, inputs: DenoiserInputs, strength: number): Value {
  if (inputs.softTokens === null || strength === 1) return denoiser.denoise(graph, inputs);
  const base = denoiser.denoise(graph, { ...inputs, softTokens: null });
  if (strength === 0) return base;
  return add(base, mul(sub(denoiser.denoise(graph, inputs), base), strength));
}
