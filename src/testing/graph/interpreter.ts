/**
 * @file A naive float64 interpreter of graphs, written from the definitions of the operators alone: the truth that
 * ONNX emission and VJPs are tested against.
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
import type { Numbers } from "./numbers.js";

const evaluators: Evaluators<OperatorName> = { ...elementwise, ...layout, ...network };

/** Numbers by the names of a graph's inputs; bools are 0 and 1. */
export type NumberFeeds = Readonly<Record<string, ArrayLike<number>>>;

/** The numbers of each of `outputs`, row-major. Graphs with weights need `readParameter`. */
export function interpret(
  graph: GraphBuilder,
  outputs: readonly Value[],
  feeds: NumberFeeds,
  readParameter?: (stored: StoredTensor) => ArrayLike<number>,
): Float64Array[] {
  const leaves: LeafReader = {
    input: (name) => {
      const numbers = feeds[name];
      if (numbers === undefined) throw new Error(`the interpreter was given no input ${name}`);
      return numbers;
    },
    parameter: (stored) => {
      if (readParameter === undefined) throw new Error(`the interpreter was given no reader for weight ${stored.name}`);
      return readParameter(stored);
    },
  };
  const results = new Map<Value, Numbers>();
  for (const node of reachable(graph, outputs)) {
    const numbers = evaluate(
      node,
      node.inputs.map((input) => resultOf(results, input)),
      leaves,
    );
    for (const [port, output] of node.outputs.entries()) results.set(output, checked(node, numbers[port], output));
  }
  return outputs.map((output) => resultOf(results, output).data);
}

/** The nodes that `outputs` depend on, in order. */
export function reachable(graph: GraphBuilder, outputs: readonly Value[]): GraphNode[] {
  const wanted = new Set(outputs);
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) wanted.add(input);
  }
  return nodes.reverse();
}

function evaluate(node: GraphNode, inputs: readonly Numbers[], leaves: LeafReader): readonly Numbers[] {
  // The table maps each name to the evaluator of that very name; the compiler cannot follow the pair through a union.
  const evaluator = evaluators[node.op] as Evaluator<OperatorName>;
  return evaluator(inputs, node.attributes, leaves);
}

/** The operator's own shape rule against the shape that the definition gave. */
function checked(node: GraphNode, numbers: Numbers | undefined, { shape }: Value): Numbers {
  if (numbers === undefined) throw new Error(`${formatNode(node)}: an output is missing`);
  if (!sameShape(numbers.shape, shape) || numbers.data.length !== sizeOf(shape)) {
    throw new Error(`${formatNode(node)}: is ${formatShape(numbers.shape)} with ${numbers.data.length} elements`);
  }
  return numbers;
}

function resultOf(results: ReadonlyMap<Value, Numbers>, value: Value): Numbers {
  const numbers = results.get(value);
  if (numbers === undefined) throw new Error(`%${value.id} is read before it is computed`);
  return numbers;
}
