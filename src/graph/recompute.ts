/** @file Recomputes a checkpoint region inside the same graph. */

import { at, zip } from "../core/lists.js";
import { GraphError } from "./error.js";
import type { CheckpointRegion, GraphBuilder, GraphNode, Value } from "./ir.js";
import { operandsOf } from "./operators/operands.js";
import * as ops from "./ops.js";

/** A copy of a region's nodes. */
export interface Recomputation {
  readonly nodes: readonly GraphNode[];
  /** Values from outside the region, each with the value that the copy reads instead. */
  readonly boundary: readonly { readonly outer: Value; readonly inner: Value }[];
  /** The copy of a value of the region. */
  readonly copyOf: (value: Value) => Value;
}

/**
 * Copies the nodes of `region` to the end of the graph. onnxruntime merges common subexpressions and schedules nodes as
 * early as possible, either of which would undo the saving. The copy therefore reads `outer + 0 * signal[0]` instead of
 * each outer value, where `signal` is a gradient that arrives at the region: the names differ, and the copy cannot start
 * before the gradient exists.
 */
export function recompute(graph: GraphBuilder, region: CheckpointRegion, signal: Value): Recomputation {
  const originals = graph.nodes.slice(region.start, region.end);
  const copies = new Map<Value, Value>();
  const boundary: { outer: Value; inner: Value }[] = [];
  const dependsOnInput = inputDependentValues(graph, region.end);
  const zero = graph.within("recompute", () =>
    ops.mul(ops.reshape(ops.slice(ops.reshape(signal, [-1]), 0, 0, 1), []), 0),
  );

  const copyOf = (value: Value): Value => {
    const known = copies.get(value);
    if (known !== undefined) return known;
    if (value.producer >= region.start) throw new GraphError("recompute: a value is read before it is computed");
    const inner = dependsOnInput.has(value) && value.dtype === "float32" ? ops.add(value, zero) : value;
    if (inner !== value) boundary.push({ outer: value, inner });
    copies.set(value, inner);
    return inner;
  };

  const nodes: GraphNode[] = [];
  for (const node of originals) {
    if (node.inputs.length === 0) {
      for (const output of node.outputs) copies.set(output, output);
      continue;
    }
    const inputs = node.inputs.map(copyOf);
    if (node.outputs.every((output) => region.kept.has(output))) {
      // Not recomputed, but differentiated: its VJP reads the kept result and the recomputed inputs.
      nodes.push({ ...node, inputs: operandsOf(node.op, inputs) } as GraphNode);
      for (const output of node.outputs) copies.set(output, output);
      continue;
    }
    const outputs = graph.within(`${node.scope}.recompute`, () => graph.append(node.op, inputs, node.attributes));
    nodes.push(graph.producerOf(at(outputs, 0)));
    for (const [original, copy] of zip<Value, Value>(node.outputs, outputs)) copies.set(original, copy);
  }
  return { nodes, boundary, copyOf };
}

/** Values of the first `end` nodes that depend on an input of the graph, rather than on weights and constants alone. */
function inputDependentValues(graph: GraphBuilder, end: number): Set<Value> {
  const found = new Set<Value>();
  for (const node of graph.nodes.slice(0, end)) {
    if (node.op === "input" || node.inputs.some((input) => found.has(input))) {
      for (const output of node.outputs) found.add(output);
    }
  }
  return found;
}
