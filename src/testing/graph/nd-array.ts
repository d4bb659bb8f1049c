/** @file Float64 arrays with a shape, which the reference interpreter uses, and conversions from and to tensors. */

import { type DType, type HostArrays, type Shape, sizeOf, type Tensor } from "../../core/tensor.js";

/** A row-major float64 array for a value of any element type (bool is 0 and 1). */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Fills an array with `elementAt` of each index. */
export function tabulate(shape: Shape, elementAt: (index: readonly number[]) => number): NdArray {
  const data = new Float64Array(sizeOf(shape));
  const index = shape.map(() => 0);
  for (let position = 0; position < data.length; position++) {
    data[position] = elementAt(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** The element at `index`, or 0 outside the array. */
export function read({ shape, data }: NdArray, index: readonly number[]): number {
  let position = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if (index[axis] < 0 || index[axis] >= shape[axis]) return 0;
    position = position * shape[axis] + index[axis];
  }
  return data[position];
}

/** The element at `index` after numpy broadcasting to the rank of `index`. */
export function readBroadcast(x: NdArray, index: readonly number[]): number {
  const skipped = index.length - x.shape.length;
  return read(
    x,
    x.shape.map((size, axis) => (size === 1 ? 0 : index[axis + skipped])),
  );
}

/** Sum of `term(i)` for i below `count`. */
export function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

/** A copy of `index` with one position replaced. */
export function replaceAt(index: readonly number[], axis: number, position: number): number[] {
  return index.map((old, other) => (other === axis ? position : old));
}

/** Decodes IEEE half precision. */
export function float16ToNumber(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> 10) & 31;
  const fraction = pattern & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Decodes bfloat16, the upper half of a float32. */
export function bfloat16ToNumber(pattern: number): number {
  return new Float32Array(Uint32Array.of(pattern << 16).buffer)[0];
}

const decoders: { readonly [D in DType]: (element: HostArrays[D][number]) => number } = {
  float32: (x) => x,
  float16: float16ToNumber,
  bfloat16: bfloat16ToNumber,
  int64: Number,
  bool: (x) => (x === 0 ? 0 : 1),
};

/** The elements of a tensor as float64. */
export function valuesOf(tensor: Tensor): Float64Array {
  // Tensor guarantees that the array matches the type; the compiler cannot follow that through a table.
  const decode = decoders[tensor.dtype] as (element: number | bigint) => number;
  return Float64Array.from(Array.from<number | bigint>(tensor.data), decode);
}

let float16Patterns: ReadonlyMap<number, number> | undefined;

/** The bits of a value that is exact in float16. */
export function float16Bits(value: number): number {
  float16Patterns ??= new Map(Array.from({ length: 0xfc01 }, (_, pattern) => [float16ToNumber(pattern), pattern]));
  const pattern = float16Patterns.get(value);
  if (pattern === undefined) throw new RangeError(`${value} is not exact in float16`);
  return pattern;
}

/** The bits of a value that is exact in bfloat16. */
export function bfloat16Bits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  if ((bits & 0xffff) !== 0) throw new RangeError(`${value} is not exact in bfloat16`);
  return bits >>> 16;
}

/** A tensor of the given type from float64 values, which must be exact in 16-bit types. */
export function tensorOf(dtype: DType, shape: Shape, data: ArrayLike<number>): Tensor {
  switch (dtype) {
    case "float32":
      return { dtype, shape, data: Float32Array.from(data) };
    case "float16":
      return { dtype, shape, data: Uint16Array.from(data, float16Bits) };
    case "bfloat16":
      return { dtype, shape, data: Uint16Array.from(data, bfloat16Bits) };
    case "int64":
      return { dtype, shape, data: BigInt64Array.from(Array.from(data), BigInt) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(data) };
  }
}

/** A reproducible stream of uniform random numbers in [0, 1) (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
