/** @file The inputs of graphs that have a denoiser in them. */

import type { Graph, Value } from "../graph/graph.js";
import { input } from "../graph/ops.js";
import type { Denoiser } from "./pipeline.js";

/** What `denoiser` is told about `texts` texts, by input name. */
export function conditioningInputs(graph: Graph, denoiser: Denoiser, texts: number): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(denoiser.conditioningShapes).map(([name, shape]) => [name, input(graph, name, [texts, ...shape])]),
  );
}
