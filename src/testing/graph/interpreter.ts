/**
 * @file A naive float64 interpreter of graphs, written from the mathematical definitions of the operators: the reference
 * for ONNX emission and VJPs.
 */

import { formatShape, sameShape, sizeOf } from "../../core/tensor.js";
import type { GraphBuilder, GraphNode, Value } from "../../graph/ir.js";
import type { OperatorName } from "../../graph/operators/attributes.js";
import { formatNode } from "../../graph/print.js";
import type { StoredTensor } from "../../weights/source.js";
import { elementwise } from "./evaluate-elementwise.js";
import { layout } from "./evaluate-layout.js";
import { network } from "./evaluate-network.js";
import type { Evaluator, Evaluators, LeafReader } from "./evaluator.js";
import type { NdArray } from "./nd-array.js";

const evaluators: Evaluators<OperatorName> = { ...elementwise, ...layout, ...network };

/** Values by input name; bools are 0 and 1. */
export type Feeds = Readonly<Record<string, ArrayLike<number>>>;

/** Computes the values of `outputs`, row-major. Graphs with weights need `readParameter`. */
export function interpret(
  graph: GraphBuilder,
  outputs: readonly Value[],
  feeds: Feeds,
  readParameter?: (stored: StoredTensor) => ArrayLike<number>,
): Float64Array[] {
  const leaves: LeafReader = {
    input: (name) => {
      const values = feeds[name];
      if (values === undefined) throw new Error(`the feeds have no input ${name}`);
      return values;
    },
    parameter: (stored) => {
      if (readParameter === undefined) throw new Error(`weight ${stored.name} needs \`readParameter\``);
      return readParameter(stored);
    },
  };
  const results = new Map<Value, NdArray>();
  for (const node of reachable(graph, outputs)) {
    const arrays = evaluate(
      node,
      node.inputs.map((input) => resultOf(results, input)),
      leaves,
    );
    for (const [port, output] of node.outputs.entries()) results.set(output, requireShape(node, arrays[port], output));
  }
  return outputs.map((output) => resultOf(results, output).data);
}

/** The nodes that `outputs` depend on, in order. */
export function reachable(graph: GraphBuilder, outputs: readonly Value[]): GraphNode[] {
  const used = new Set(outputs);
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => used.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) used.add(input);
  }
  return nodes.reverse();
}

function evaluate(node: GraphNode, inputs: readonly NdArray[], leaves: LeafReader): readonly NdArray[] {
  // The table maps each name to its own evaluator; the compiler cannot follow that through a union.
  const evaluator = evaluators[node.op] as Evaluator<OperatorName>;
  return evaluator(inputs, node.attributes, leaves);
}

/** Compares the shape that the definition gives with the operator's inferred shape. */
function requireShape(node: GraphNode, array: NdArray | undefined, { shape }: Value): NdArray {
  if (array === undefined) throw new Error(`${formatNode(node)}: an output is missing`);
  if (!sameShape(array.shape, shape) || array.data.length !== sizeOf(shape)) {
    throw new Error(`${formatNode(node)}: has shape ${formatShape(array.shape)} and ${array.data.length} elements`);
  }
  return array;
}

function resultOf(results: ReadonlyMap<Value, NdArray>, value: Value): NdArray {
  const array = results.get(value);
  if (array === undefined) throw new Error(`%${value.id} is read before it is computed`);
  return array;
}
