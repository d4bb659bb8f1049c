/** @file Float64 arrays with a shape, and conversions from and to tensors: what the reference interpreter computes with. */

import { type DType, type HostArrays, type Shape, sizeOf, type Tensor } from "../../core/tensor.js";

/** A row-major array of float64, whatever the element type of the value it stands for (bool is 0 and 1). */
export interface Numbers {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** An array filled from the index of each element. */
export function tabulate(shape: Shape, at: (index: readonly number[]) => number): Numbers {
  const data = new Float64Array(sizeOf(shape));
  const index = shape.map(() => 0);
  for (let position = 0; position < data.length; position++) {
    data[position] = at(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** The element at `index`, or 0 outside the array. */
export function read({ shape, data }: Numbers, index: readonly number[]): number {
  let position = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if (index[axis] < 0 || index[axis] >= shape[axis]) return 0;
    position = position * shape[axis] + index[axis];
  }
  return data[position];
}

/** The element that numpy broadcasting puts at `index` of an array of at least the same rank. */
export function readBroadcast(x: Numbers, index: readonly number[]): number {
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

/** `index` with one position replaced. */
export function at(index: readonly number[], axis: number, position: number): number[] {
  return index.map((old, other) => (other === axis ? position : old));
}

/** IEEE half precision. */
export function halfToNumber(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> 10) & 31;
  const fraction = pattern & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The upper half of a float32. */
export function bfloatToNumber(pattern: number): number {
  return new Float32Array(Uint32Array.of(pattern << 16).buffer)[0];
}

const decoders: { readonly [D in DType]: (element: HostArrays[D][number]) => number } = {
  float32: (x) => x,
  float16: halfToNumber,
  bfloat16: bfloatToNumber,
  int64: Number,
  bool: (x) => (x === 0 ? 0 : 1),
};

/** The elements of a tensor as float64. */
export function numbersOf(tensor: Tensor): Float64Array {
  // The pair of type and array is kept together by Tensor; the compiler cannot follow it through a table.
  const decode = decoders[tensor.dtype] as (element: number | bigint) => number;
  return Float64Array.from(Array.from<number | bigint>(tensor.data), decode);
}

let halves: ReadonlyMap<number, number> | undefined;

/** The pattern of a number that half precision holds exactly. */
export function halfOf(value: number): number {
  halves ??= new Map(Array.from({ length: 0xfc01 }, (_, pattern) => [halfToNumber(pattern), pattern]));
  const pattern = halves.get(value);
  if (pattern === undefined) throw new RangeError(`${value} is no half-precision number`);
  return pattern;
}

/** The pattern of a number that bfloat16 holds exactly. */
export function bfloatOf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  if ((bits & 0xffff) !== 0) throw new RangeError(`${value} is no bfloat16 number`);
  return bits >>> 16;
}

/** A tensor of the given type from float64 numbers; 16-bit types take exactly representable ones only. */
export function tensorOf(dtype: DType, shape: Shape, data: ArrayLike<number>): Tensor {
  switch (dtype) {
    case "float32":
      return { dtype, shape, data: Float32Array.from(data) };
    case "float16":
      return { dtype, shape, data: Uint16Array.from(data, halfOf) };
    case "bfloat16":
      return { dtype, shape, data: Uint16Array.from(data, bfloatOf) };
    case "int64":
      return { dtype, shape, data: BigInt64Array.from(Array.from(data), BigInt) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(data) };
  }
}

/** A stream of numbers in [0, 1) that is the same in every run (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
