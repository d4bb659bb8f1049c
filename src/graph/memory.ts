/** @file How much memory the values of a graph need at once, foretold from their shapes. */

import { at } from "../core/lists.js";
import { type DType, sizeOf } from "../core/tensor.js";
import type { GraphBuilder, GraphNode, OperatorNode, Value } from "./ir.js";

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
 * frees each value behind its last reader; reshapes are views. Where shapes are hidden (onnx/model.ts) nothing is written
 * over an operand, since onnxruntime would have to know that both are as large. Slices that take a value apart are one Split
 * (onnxruntime fuses them): the parts come into being together.
 */
export function estimateMemory(graph: GraphBuilder, outputs: readonly Value[]): MemoryEstimate {
  const order = executionOrder(graph, outputs);
  const splits = wholeSplits(order);
  const buffers = new Map<Value, SharedBuffer>();
  let [alive, most, weights] = [0, 0, 0];
  const isOutput = new Set(outputs);
  const readers = new Map<Value, number>();
  for (const node of order) for (const input of node.inputs) readers.set(input, (readers.get(input) ?? 0) + 1);

  for (const node of order) {
    const parts = splits.get(node) ?? [node];
    // Made with the first slice.
    if (buffers.has(node.outputs[0])) continue;
    if (node.op === "parameter") weights += node.attributes.stored.length;
    for (const output of parts.flatMap((part) => part.outputs)) {
      const borrowed = node.op === "reshape" ? buffers.get(node.inputs[0]) : undefined;
      const buffer = borrowed ?? { bytes: isWeight(graph, output) ? 0 : sizeInBytes(output), readers: 0 };
      if (!borrowed) alive += buffer.bytes;
      buffer.readers += (readers.get(output) ?? 0) + (isOutput.has(output) ? 1 : 0);
      buffers.set(output, buffer);
    }
    most = Math.max(most, alive + castWeights(graph, node));
    for (const value of parts.flatMap((part) => [...part.inputs])) {
      const buffer = buffers.get(value);
      if (!buffer) continue;
      buffer.readers--;
      if (buffer.readers === 0) alive -= buffer.bytes;
    }
    for (const output of parts.flatMap((part) => part.outputs)) {
      const buffer = buffers.get(output);
      if (buffer?.readers !== 0) continue;
      // An output that nothing reads: gone at once.
      alive -= buffer.bytes;
      buffer.bytes = 0;
    }
  }
  return { activations: most, weights };
}

/** For each slice of a value that is taken apart completely, all slices of it. */
function wholeSplits(order: readonly GraphNode[]): ReadonlyMap<GraphNode, readonly GraphNode[]> {
  const bySource = new Map<Value, OperatorNode<"slice">[]>();
  for (const node of order) {
    if (node.op !== "slice") continue;
    const [source] = node.inputs;
    bySource.set(source, [...(bySource.get(source) ?? []), node]);
  }
  const splits = new Map<GraphNode, readonly GraphNode[]>();
  for (const [source, slices] of bySource) {
    const { axis } = at(slices, 0).attributes;
    let end = 0;
    const ordered = [...slices].sort((a, b) => a.attributes.start - b.attributes.start);
    for (const { attributes } of ordered) {
      if (attributes.axis === axis && attributes.start === end) end = attributes.end;
    }
    if (slices.length > 1 && end === source.dim(axis)) for (const slice of slices) splits.set(slice, slices);
  }
  return splits;
}

/** Memory that one or several values share. */
interface SharedBuffer {
  bytes: number;
  readers: number;
}

/** Weights stay in their files; a cast of one is made anew for each of its readers (onnx/writer.ts). */
function isWeight(graph: GraphBuilder, value: Value): boolean {
  const { op, inputs } = graph.producerOf(value);
  return op === "parameter" || (op === "cast" && graph.producerOf(inputs[0]).op === "parameter");
}

/** What is there of cast weights while the node runs. */
function castWeights(graph: GraphBuilder, node: GraphNode): number {
  if (node.op === "cast") return 0;
  const casts = node.inputs.filter((input) => graph.producerOf(input).op === "cast" && isWeight(graph, input));
  return casts.reduce((sum, input) => sum + sizeInBytes(input), 0);
}

function sizeInBytes({ dtype, shape }: Value): number {
  return bytesOf[dtype] * sizeOf(shape);
}

/** The nodes that `outputs` need, as onnxruntime's GraphViewer orders them. */
function executionOrder(graph: GraphBuilder, outputs: readonly Value[]): readonly GraphNode[] {
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
