/** @file Tensors in host memory: a shape and a flat, row-major typed array. */

import { InputError } from "./errors.js";

/** The size of each dimension, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** Element types of graphs. float16 and bfloat16 are stored as raw 16-bit patterns. */
export type DType = "float32" | "float16" | "bfloat16" | "int64" | "bool";

/** The typed array of each element type in host memory. */
export interface HostArrays {
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  bool: Uint8Array;
}

/** A tensor of one element type. */
export interface TensorOf<D extends DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: HostArrays[D];
}

export type FloatTensor = TensorOf<"float32">;

/** A tensor of any element type; `dtype` discriminates. */
export type Tensor = { [D in DType]: TensorOf<D> }[DType];

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `[2,3,48]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(",")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** A float32 tensor; `data` defaults to zeros and is not copied. */
export function floatTensor(shape: Shape, data: Float32Array = new Float32Array(sizeOf(shape))): FloatTensor {
  if (data.length !== sizeOf(shape)) {
    throw new InputError(`a tensor of shape ${formatShape(shape)} needs ${sizeOf(shape)} elements, got ${data.length}`);
  }
  return { dtype: "float32", shape, data };
}

/** An int64 tensor from ordinary integers. */
export function intTensor(shape: Shape, values: readonly number[]): TensorOf<"int64"> {
  if (values.length !== sizeOf(shape)) {
    throw new InputError(
      `a tensor of shape ${formatShape(shape)} needs ${sizeOf(shape)} elements, got ${values.length}`,
    );
  }
  return { dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) };
}

/** Rows `start` to `end` (exclusive) along the first axis, as a view. */
export function rows(tensor: FloatTensor, start: number, end: number): FloatTensor {
  const [count = 0, ...rest] = tensor.shape;
  if (start < 0 || end > count || start > end) {
    throw new RangeError(`rows ${start}..${end} of a tensor with ${count} rows`);
  }
  const stride = sizeOf(rest);
  return floatTensor([end - start, ...rest], tensor.data.subarray(start * stride, end * stride));
}

/** Concatenates tensors of equal trailing shape along the first axis; copies. */
export function concatRows(tensors: readonly FloatTensor[]): FloatTensor {
  const rest = tensors[0]?.shape.slice(1) ?? [];
  for (const tensor of tensors) {
    if (!sameShape(tensor.shape.slice(1), rest)) {
      throw new InputError(`cannot concatenate rows of ${formatShape(tensor.shape)} and [*,${rest.join(",")}]`);
    }
  }
  const count = tensors.reduce((sum, tensor) => sum + (tensor.shape[0] ?? 0), 0);
  const joined = floatTensor([count, ...rest]);
  let offset = 0;
  for (const tensor of tensors) {
    joined.data.set(tensor.data, offset);
    offset += tensor.data.length;
  }
  return joined;
}
