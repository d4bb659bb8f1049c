/** @file The functions that model code builds graphs with, one per primitive operator. */

import { hasLength, type Tuple } from "../core/lists.js";
import { type DType, floatTensor, intTensor, type Shape, sizeOf, type Tensor } from "../core/tensor.js";
import type { StoredTensor } from "../weights/source.js";
import { GraphError } from "./error.js";
import type { GraphBuilder, Value } from "./ir.js";
import type { ConvolutionAttributes, OperatorName, ProductAttributes } from "./operators/attributes.js";
import { resolveAxis } from "./shapes.js";

/** A value, or a number that becomes a float32 scalar constant. */
export type Operand = Value | number;

/** A named tensor that is fed at every run. */
export function input(graph: GraphBuilder, name: string, shape: Shape, dtype: DType = "float32"): Value {
  return graph.appendSingle("input", [], { name, dtype, shape });
}

/** A weight that stays in its safetensors file, in its stored type (`Weights` casts it to float32). */
export function parameter(graph: GraphBuilder, stored: StoredTensor): Value {
  return graph.appendSingle("parameter", [], { stored });
}

/** A tensor that is stored in the model itself. */
export function constant(graph: GraphBuilder, tensor: Tensor): Value {
  return graph.appendSingle("constant", [], { tensor });
}

/** A float32 scalar. */
export function scalar(graph: GraphBuilder, value: number): Value {
  return constant(graph, floatTensor([], Float32Array.of(value)));
}

/** int64 constants from ordinary integers. */
export function integers(graph: GraphBuilder, shape: Shape, values: readonly number[]): Value {
  return constant(graph, intTensor(shape, values));
}

type UnaryName = "neg" | "exp" | "log" | "sqrt" | "reciprocal" | "tanh" | "sigmoid" | "erf" | "sin" | "cos" | "relu";
type BinaryName = "add" | "sub" | "mul" | "div" | "greater";

function unary(op: UnaryName): (x: Value) => Value {
  return (x) => x.graph.appendSingle(op, [x], {});
}

function binary(op: BinaryName): (a: Operand, b: Operand) => Value {
  return (a, b) => {
    const graph = graphOf(op, a, b);
    return graph.appendSingle(op, [lift(graph, a), lift(graph, b)], {});
  };
}

function graphOf(op: OperatorName, ...operands: readonly Operand[]): GraphBuilder {
  for (const operand of operands) if (typeof operand !== "number") return operand.graph;
  throw new GraphError(`${op}: at least one operand must be a value`);
}

function lift(graph: GraphBuilder, operand: Operand): Value {
  return typeof operand === "number" ? scalar(graph, operand) : operand;
}

export const neg = unary("neg");
export const exp = unary("exp");
export const log = unary("log");
export const sqrt = unary("sqrt");
export const reciprocal = unary("reciprocal");
export const tanh = unary("tanh");
export const sigmoid = unary("sigmoid");
/** The error function. */
export const erf = unary("erf");
export const sin = unary("sin");
export const cos = unary("cos");
export const relu = unary("relu");
/** a + b with numpy broadcasting; likewise `sub`, `mul`, `div`. */
export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
/** a > b as bool. */
export const greater = binary("greater");

/** `whenTrue` where the bool `condition` is true, `whenFalse` elsewhere. */
export function where(condition: Value, whenTrue: Operand, whenFalse: Operand): Value {
  const { graph } = condition;
  return graph.appendSingle("where", [condition, lift(graph, whenTrue), lift(graph, whenFalse)], {});
}

export function cast(x: Value, to: DType): Value {
  return x.dtype === to ? x : x.graph.appendSingle("cast", [x], { to });
}

/** Batched matrix product over the last two axes, [..., M, K] x [..., K, N]; leading axes broadcast. */
export function matmul(a: Value, b: Value, options: Partial<ProductAttributes> = {}): Value {
  const { transposeA = false, transposeB = false } = options;
  return a.graph.appendSingle("matmul", [a, b], { transposeA, transposeB });
}

/** Plain matrix product [M, K] x [K, N], plus an optional bias [N]. */
export function gemm(a: Value, b: Value, bias?: Value | null, options: Partial<ProductAttributes> = {}): Value {
  const { transposeA = false, transposeB = false } = options;
  return a.graph.appendSingle("gemm", bias ? [a, b, bias] : [a, b], { transposeA, transposeB });
}

/**
 * Scaled dot-product attention. query [N, Lq, heads * d], key and value [N, Lk, heads * d], optional additive
 * bias [1 or N, 1 or heads, Lq, Lk]; returns [N, Lq, heads * d]. The scale defaults to d^-1/2. The last key and its value
 * count as `lastKeyCount` equal ones.
 */
export function attention(
  query: Value,
  key: Value,
  value: Value,
  options: {
    readonly heads: number;
    readonly scale?: number;
    readonly bias?: Value | undefined;
    readonly lastKeyCount?: number;
  },
): Value {
  const { heads, scale = (query.dim(-1) / heads) ** -0.5, bias, lastKeyCount = 1 } = options;
  const inputs = bias ? [query, key, value, bias] : [query, key, value];
  return query.graph.appendSingle("attention", inputs, { heads, scale, lastKeyCount });
}

export interface ReduceOptions {
  /** Keeps the reduced axes with size 1 (default false). */
  readonly keepDims?: boolean;
}

export function reduceSum(x: Value, axes: readonly number[], { keepDims = false }: ReduceOptions = {}): Value {
  if (axes.length === 0) return x;
  return x.graph.appendSingle("reduceSum", [x], { axes: resolveAxes(x, axes), keepDims });
}

export function reduceMean(x: Value, axes: readonly number[], { keepDims = false }: ReduceOptions = {}): Value {
  if (axes.length === 0) return x;
  return x.graph.appendSingle("reduceMean", [x], { axes: resolveAxes(x, axes), keepDims });
}

function resolveAxes(x: Value, axes: readonly number[]): number[] {
  return axes.map((axis) => resolveAxis(axis, x.shape.length)).sort((a, b) => a - b);
}

export function softmax(x: Value, axis = -1): Value {
  return x.graph.appendSingle("softmax", [x], { axis: resolveAxis(axis, x.shape.length) });
}

/** The same elements in another shape; one size may be -1. */
export function reshape(x: Value, shape: Shape): Value {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const resolved = shape.map((size) => (size === -1 ? sizeOf(x.shape) / known : size));
  return resolved.length === x.shape.length && resolved.every((size, axis) => size === x.shape[axis])
    ? x
    : x.graph.appendSingle("reshape", [x], { shape: resolved });
}

/** Permutes the axes: output axis i is input axis `permutation[i]`. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  return permutation.every((axis, index) => axis === index)
    ? x
    : x.graph.appendSingle("transpose", [x], { permutation: [...permutation] });
}

/** Broadcasts `x` to `shape`. */
export function expand(x: Value, shape: Shape): Value {
  return shape.length === x.shape.length && shape.every((size, axis) => size === x.shape[axis])
    ? x
    : x.graph.appendSingle("expand", [x], { shape: [...shape] });
}

/** Elements `start` to `end` (exclusive) of one axis; negative positions count from the end. */
export function slice(x: Value, axis: number, start: number, end: number = Number.POSITIVE_INFINITY): Value {
  const resolved = resolveAxis(axis, x.shape.length);
  const size = x.dim(resolved);
  const from = start < 0 ? start + size : start;
  const to = Math.min(end < 0 ? end + size : end, size);
  return from === 0 && to === size ? x : x.graph.appendSingle("slice", [x], { axis: resolved, start: from, end: to });
}

/** Splits one axis into consecutive parts of the given sizes. */
export function split(x: Value, axis: number, sizes: readonly number[]): Value[] {
  let start = 0;
  return sizes.map((size) => {
    const part = slice(x, axis, start, start + size);
    start += size;
    return part;
  });
}

/** Splits one axis into `count` equal parts. */
export function chunk<N extends number>(x: Value, count: N, axis = -1): Tuple<Value, N> {
  const size = x.dim(axis) / count;
  const sizes = Array.from({ length: count }, () => size);
  const parts = Number.isInteger(size) ? split(x, axis, sizes) : [];
  if (hasLength(parts, count)) return parts;
  throw new GraphError(`chunk: an axis of ${x.dim(axis)} does not divide into ${count} equal parts`);
}

/** Reverses the order of elements along `axes`. */
export function reverse(x: Value, axes: readonly number[]): Value {
  return x.graph.appendSingle("reverse", [x], { axes: resolveAxes(x, axes) });
}

export function concat(parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (first === undefined) throw new GraphError("concat: there are no values to join");
  return parts.length === 1
    ? first
    : first.graph.appendSingle("concat", parts, { axis: resolveAxis(axis, first.shape.length) });
}

/** Pads one axis with zeros before and after. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  return before === 0 && after === 0
    ? x
    : x.graph.appendSingle("pad", [x], { axis: resolveAxis(axis, x.shape.length), before, after });
}

/** Picks entries of the first axis by int64 `indices`, whose shape replaces that axis. */
export function gather(x: Value, indices: Value): Value {
  return x.graph.appendSingle("gather", [x, indices], {});
}

/** Adds row i of `updates` [n, D] to row `indices[i]` of a zero matrix [rows, D]. */
export function scatterAdd(indices: Value, updates: Value, rows: number): Value {
  return updates.graph.appendSingle("scatterAdd", [indices, updates], { rows });
}

/** (x - mean) / sqrt(variance + epsilon) over the last axis, without scale and bias. */
export function layerNormalization(x: Value, epsilon: number): Value {
  return x.graph.appendSingle("layerNormalization", [x], { epsilon });
}

/** The same over groups of channels of [N, C, ...], without scale and bias. */
export function groupNormalization(x: Value, groups: number, epsilon: number): Value {
  return x.graph.appendSingle("groupNormalization", [x], { groups, epsilon });
}

/** x * Phi(x); "tanh" is the approximation that diffusers calls gelu-approximate and transformers gelu_new. */
export function gelu(x: Value, approximate: "tanh" | "none" = "none"): Value {
  return x.graph.appendSingle("gelu", [x], { approximate });
}

/** Convolution of x [N, I, H, W] with kernel [O, I, kh, kw], plus an optional bias [O]. */
export function conv2d(x: Value, kernel: Value, attributes: ConvolutionAttributes, bias?: Value | null): Value {
  return x.graph.appendSingle("conv2d", bias ? [x, kernel, bias] : [x, kernel], attributes);
}

/** Transposed convolution of x [N, I, H, W] with kernel [I, O, kh, kw]: the adjoint of `conv2d` with the same kernel. */
export function convTranspose2d(
  x: Value,
  kernel: Value,
  attributes: ConvolutionAttributes & { readonly outputPadding: readonly [number, number] },
): Value {
  return x.graph.appendSingle("convTranspose2d", [x, kernel], attributes);
}

/** Repeats each pixel of [N, C, H, W] `scale` times along H and W. */
export function upsampleNearest(x: Value, scale: number): Value {
  return x.graph.appendSingle("upsampleNearest", [x], { scale });
}
