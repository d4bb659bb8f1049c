/** @file Counts the floating point operations of a graph's matrix products and convolutions, for benchmarks. */

import { sizeOf } from "../core/tensor.js";
import type { GraphBuilder, GraphNode, Value } from "./ir.js";

/** Floating point operations of the nodes that `outputs` need; a multiply-add counts as two. */
export interface Flops {
  /** All operations, including recomputation. */
  readonly executed: number;
  /** All operations without the recomputation of checkpoints. */
  readonly useful: number;
}

export function countFlops(graph: GraphBuilder, outputs: readonly Value[]): Flops {
  const used = new Set(outputs);
  let executed = 0;
  let useful = 0;
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => used.has(output))) continue;
    for (const input of node.inputs) used.add(input);
    const flops = flopsOf(node);
    executed += flops;
    if (!/\.recompute$/.test(node.scope)) useful += flops;
  }
  return { executed, useful };
}

/** Two per multiply-add of a product; elementwise operators count zero. */
function flopsOf(node: GraphNode): number {
  const [output] = node.outputs;
  switch (node.op) {
    case "matmul":
    case "gemm":
      return 2 * sizeOf(output.shape) * (node.attributes.transposeA ? node.inputs[0].dim(-2) : node.inputs[0].dim(-1));
    case "attention": {
      const [q, k] = node.inputs;
      return 4 * sizeOf(q.shape) * k.dim(1);
    }
    case "conv2d":
      return 2 * sizeOf(output.shape) * sizeOf(node.inputs[1].shape.slice(1));
    case "convTranspose2d":
      return 2 * sizeOf(node.inputs[0].shape) * sizeOf(node.inputs[1].shape.slice(1));
    default:
      return 0;
  }
}
