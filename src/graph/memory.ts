/** @file How much memory the values of a graph need at once, foretold from their shapes. */

import { type DType, sizeOf } from "../core/tensor.js";
import type { Graph, GraphNode, Value } from "./graph.js";

/** Bytes. */
export interface MemoryEstimate {
  /** Most of the values that are alive at one time. */
  readonly activations: number;
  /** Weights as they lie in their files. */
  readonly weights: number;
}

const bytesOf: Readonly<Record<DType, number>> = { float32: 4, float16: 2, bfloat16: 2, int64: 8, bool: 1 };

/**
 * Follows the order in which onnxruntime runs nodes (reverse depth-first search from the outputs, later nodes first) and
 * frees each value behind its last reader; reshapes are views, and an elementwise node writes over an operand that it
 * is the last to read.
 */
export function estimateMemory(graph: Graph, outputs: readonly Value[]): MemoryEstimate {
  const order = executionOrder(graph, outputs);
  const buffers = new Map<Value, SharedBuffer>();
  let [alive, most, weights] = [0, 0, 0];
  const isOutput = new Set(outputs);
  const readers = new Map<Value, number>();
  for (const node of order) for (const input of node.inputs) readers.set(input, (readers.get(input) ?? 0) + 1);

  for (const node of order) {
    for (const [port, output] of node.outputs.entries()) {
      if (node.op === "parameter") weights += node.attributes.stored.length;
      const borrowed = port === 0 ? borrowedBuffer(node, output, buffers) : null;
      const buffer = borrowed ?? { bytes: isWeight(graph, output) ? 0 : sizeInBytes(output), readers: 0 };
      if (!borrowed) alive += buffer.bytes;
      buffer.readers += (readers.get(output) ?? 0) + (isOutput.has(output) ? 1 : 0);
      buffers.set(output, buffer);
    }
    most = Math.max(most, alive + castWeights(graph, node));
    for (const input of node.inputs) {
      const buffer = buffers.get(input);
      if (!buffer) continue;
      buffer.readers--;
      if (buffer.readers === 0) alive -= buffer.bytes;
    }
    for (const output of node.outputs) {
      const buffer = buffers.get(output);
      if (buffer?.readers !== 0) continue;
      // An output that nothing reads: gone at once.
      alive -= buffer.bytes;
      buffers.delete(output);
    }
  }
  return { activations: most, weights };
}

/** Memory that one or several values share. */
interface SharedBuffer {
  bytes: number;
  readers: number;
}

/** Weights stay in their files; a cast of one is made anew for each of its readers (onnx/writer.ts). */
function isWeight(graph: Graph, value: Value): boolean {
  const { op, inputs } = graph.producerOf(value);
  return op === "parameter" || (op === "cast" && graph.producerOf(inputs[0]).op === "parameter");
}

/** What is there of cast weights while the node runs. */
function castWeights(graph: Graph, node: GraphNode): number {
  if (node.op === "cast") return 0;
  const casts = node.inputs.filter((input) => graph.producerOf(input).op === "cast" && isWeight(graph, input));
  return casts.reduce((sum, input) => sum + sizeInBytes(input), 0);
}

function sizeInBytes({ dtype, shape }: Value): number {
  return bytesOf[dtype] * sizeOf(shape);
}

/** The buffer that the first output takes over from an operand; null where it needs one of its own. */
function borrowedBuffer(
  node: GraphNode,
  output: Value,
  buffers: ReadonlyMap<Value, SharedBuffer>,
): SharedBuffer | null {
  const [first] = node.inputs;
  switch (node.op) {
    case "reshape":
      return buffers.get(first) ?? null;
    case "neg":
    case "exp":
    case "log":
    case "sqrt":
    case "reciprocal":
    case "tanh":
    case "sigmoid":
    case "erf":
    case "sin":
    case "cos":
    case "relu":
    case "gelu":
    case "softmax":
    case "add":
    case "sub":
    case "mul":
    case "div": {
      const dying = node.inputs.find((input) => {
        const buffer = buffers.get(input);
        return buffer?.readers === 1 && buffer.bytes === sizeInBytes(output);
      });
      return (dying && buffers.get(dying)) ?? null;
    }
    default:
      return null;
  }
}

/** The nodes that `outputs` need, as onnxruntime's GraphViewer orders them. */
function executionOrder(graph: Graph, outputs: readonly Value[]): readonly GraphNode[] {
  const order: GraphNode[] = [];
  const entered = new Set<GraphNode>();
  const done = new Set<GraphNode>();
  const stack = outputs.map((output) => graph.producerOf(output));
  for (let node = stack.at(-1); node; node = stack.at(-1)) {
    if (done.has(node) || entered.has(node)) {
      stack.pop();
      if (!done.has(node)) order.push(node);
      done.add(node);
      continue;
    }
    entered.add(node);
    const producers = new Set(node.inputs.map((input) => graph.producerOf(input)));
    stack.push(...[...producers].filter((each) => !done.has(each)).sort((a, b) => a.index - b.index));
  }
  return order;
}
