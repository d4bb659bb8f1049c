/** @file Shape inference helpers of the operator rules. */

import { hasLength, type Tuple } from "../core/lists.js";
import { formatShape, type Shape } from "../core/tensor.js";
import { GraphError } from "./error.js";
import type { TensorType } from "./ir.js";

/** The shape that `a` and `b` broadcast to (numpy rules). */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const sizeA = a[axis - rank + a.length] ?? 1;
    const sizeB = b[axis - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) {
      throw new GraphError(`${formatShape(a)} and ${formatShape(b)} do not broadcast`);
    }
    return sizeA === 1 ? sizeB : sizeA;
  });
}

/** A non-negative axis of a tensor of `rank`. */
export function resolveAxis(axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new GraphError(`axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return resolved;
}

/** The size of one axis; a GraphError if the tensor has no such axis. */
export function sizeAt({ shape }: TensorType, axis: number): number {
  const size = shape[axis];
  if (size === undefined) throw new GraphError(`axis ${axis} is outside a tensor of rank ${shape.length}`);
  return size;
}

/** `shape` with the size of one axis replaced. */
export function withAxis(shape: Shape, axis: number, size: number): Shape {
  return shape.map((old, index) => (index === axis ? size : old));
}

export function requireFloat(...inputs: readonly TensorType[]): void {
  for (const input of inputs) {
    if (input.dtype !== "float32") throw new GraphError(`takes float32, got ${input.dtype}`);
  }
}

/** The shape of a tensor; a GraphError unless it has `rank` axes. */
export function dims<R extends number>({ shape }: TensorType, rank: R): Tuple<number, R> {
  if (hasLength(shape, rank)) return shape;
  throw new GraphError(`takes a tensor of rank ${rank}, got ${formatShape(shape)}`);
}

/** The output types of an operator whose only output is float32 of `shape`. */
export function float32(shape: Shape): readonly [TensorType] {
  return [{ dtype: "float32", shape }];
}
