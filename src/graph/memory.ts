/** @file Peak memory of a graph's values, estimated from their shapes. */

import { at } from "../core/lists.js";
import { type DType, sizeOf } from "../core/tensor.js";
import type { GraphBuilder, GraphNode, OperatorNode, Value } from "./ir.js";

/** All in bytes. */
export interface MemoryEstimate {
  /** Peak size of the values that are alive at one time. */
  readonly activations: number;
  /** Size of the weights as stored in their files. */
  readonly weights: number;
}

const bytesOf: Readonly<Record<DType, number>> = { float32: 4, float16: 2, bfloat16: 2, int64: 8, bool: 1 };

/**
 * Simulates onnxruntime's execution order (reverse depth-first search from the outputs, later nodes first) and frees each
 * value after its last reader. Reshapes are views. Where shapes are hidden (onnx/model.ts), no output reuses the buffer of
 * an operand, because onnxruntime does not know that both have the same size. onnxruntime fuses slices that split a value
 * completely into one Split node, so all parts are allocated together.
 */
export function estimateMemory(graph: GraphBuilder, outputs: readonly Value[]): MemoryEstimate {
  const order = executionOrder(graph, outputs);
  const splits = completeSplits(order);
  const buffers = new Map<Value, SharedBuffer>();
  let [alive, peak, weights] = [0, 0, 0];
  const isOutput = new Set(outputs);
  const readers = new Map<Value, number>();
  for (const node of order) for (const input of node.inputs) readers.set(input, (readers.get(input) ?? 0) + 1);

  for (const node of order) {
    const parts = splits.get(node) ?? [node];
    // Allocated with the first slice.
    if (buffers.has(node.outputs[0])) continue;
    if (node.op === "parameter") weights += node.attributes.stored.length;
    for (const output of parts.flatMap((part) => part.outputs)) {
      const shared = node.op === "reshape" ? buffers.get(node.inputs[0]) : undefined;
      const buffer = shared ?? { bytes: isWeight(graph, output) ? 0 : sizeInBytes(output), readers: 0 };
      if (!shared) alive += buffer.bytes;
      buffer.readers += (readers.get(output) ?? 0) + (isOutput.has(output) ? 1 : 0);
      buffers.set(output, buffer);
    }
    peak = Math.max(peak, alive + castWeightBytes(graph, node));
    for (const value of parts.flatMap((part) => [...part.inputs])) {
      const buffer = buffers.get(value);
      if (!buffer) continue;
      buffer.readers--;
      if (buffer.readers === 0) alive -= buffer.bytes;
    }
    for (const output of parts.flatMap((part) => part.outputs)) {
      const buffer = buffers.get(output);
      if (buffer?.readers !== 0) continue;
      // Unused outputs are freed immediately.
      alive -= buffer.bytes;
      buffer.bytes = 0;
    }
  }
  return { activations: peak, weights };
}

/** Maps each slice of a completely split value to all slices of that value. */
function completeSplits(order: readonly GraphNode[]): ReadonlyMap<GraphNode, readonly GraphNode[]> {
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

/** Memory that one or more values use. */
interface SharedBuffer {
  bytes: number;
  readers: number;
}

/** Whether `value` is a weight or the cast of one, which each reader computes for itself (onnx/writer.ts). */
function isWeight(graph: GraphBuilder, value: Value): boolean {
  const { op, inputs } = graph.producerOf(value);
  return op === "parameter" || (op === "cast" && graph.producerOf(inputs[0]).op === "parameter");
}

/** Bytes of the cast weights that exist while `node` runs. */
function castWeightBytes(graph: GraphBuilder, node: GraphNode): number {
  if (node.op === "cast") return 0;
  const casts = node.inputs.filter((input) => graph.producerOf(input).op === "cast" && isWeight(graph, input));
  return casts.reduce((sum, input) => sum + sizeInBytes(input), 0);
}

function sizeInBytes({ dtype, shape }: Value): number {
  return bytesOf[dtype] * sizeOf(shape);
}

/** The nodes that `outputs` need, in the order of onnxruntime's GraphViewer. */
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
