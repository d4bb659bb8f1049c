/** @file All primitive operators with their attributes; the compiler checks every operator table against this list. */

import type { DType, Shape, Tensor } from "../../core/tensor.js";
import type { StoredTensor } from "../../weights/source.js";

/** For operators without attributes. */
export type NoAttributes = Readonly<Record<string, never>>;

/** Which operands of a matrix product are transposed in their last two axes. */
export interface ProductAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** A two-dimensional convolution; pads are [top, left, bottom, right] as in ONNX. */
export interface ConvolutionAttributes {
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
}

export interface OperatorAttributes {
  // leaves
  input: { readonly name: string; readonly dtype: DType; readonly shape: Shape };
  parameter: { readonly stored: StoredTensor };
  constant: { readonly tensor: Tensor };
  // elementwise, one operand
  cast: { readonly to: DType };
  neg: NoAttributes;
  exp: NoAttributes;
  log: NoAttributes;
  sqrt: NoAttributes;
  reciprocal: NoAttributes;
  tanh: NoAttributes;
  sigmoid: NoAttributes;
  erf: NoAttributes;
  sin: NoAttributes;
  cos: NoAttributes;
  relu: NoAttributes;
  // elementwise, two operands with numpy broadcasting
  add: NoAttributes;
  sub: NoAttributes;
  mul: NoAttributes;
  div: NoAttributes;
  greater: NoAttributes;
  where: NoAttributes;
  // products
  matmul: ProductAttributes;
  gemm: ProductAttributes;
  /** The last key counts as `lastKeyCount` equal ones. */
  attention: { readonly heads: number; readonly scale: number; readonly lastKeyCount: number };
  // reductions
  reduceSum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  reduceMean: { readonly axes: readonly number[]; readonly keepDims: boolean };
  softmax: { readonly axis: number };
  // layout
  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  expand: { readonly shape: Shape };
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  reverse: { readonly axes: readonly number[] };
  concat: { readonly axis: number };
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  // indexing
  gather: NoAttributes;
  scatterAdd: { readonly rows: number };
  // normalisation (without scale and bias)
  layerNormalization: { readonly epsilon: number };
  groupNormalization: { readonly groups: number; readonly epsilon: number };
  gelu: { readonly approximate: "tanh" | "none" };
  // convolution
  conv2d: ConvolutionAttributes;
  convTranspose2d: ConvolutionAttributes & { readonly outputPadding: readonly [number, number] };
  upsampleNearest: { readonly scale: number };
}

export type OperatorName = keyof OperatorAttributes;
