/** @file Reference definitions of elementwise operators. */

import type { Shape } from "../../core/tensor.js";
import type { BinaryName, UnaryName } from "../../graph/operators/elementwise.js";
import type { Evaluator, Evaluators } from "./evaluator.js";
import { type NdArray, readBroadcast, tabulate } from "./nd-array.js";

/**
 * erf(x) = 2 / sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (2n+1)!!, whose terms all have the same sign; 1 - erf(6) is
 * below float64 precision.
 */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = 0;
  for (let n = 0; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    total += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

export function mapped({ shape, data }: NdArray, f: (x: number) => number): NdArray {
  return { shape, data: data.map(f) };
}

/** Numpy broadcasting: align at the last axis, size 1 expands. */
function broadcastShape(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

function zipped(inputs: readonly NdArray[], f: (...values: number[]) => number): NdArray {
  const shape = broadcastShape(...inputs.map((input) => input.shape));
  return tabulate(shape, (index) => f(...inputs.map((input) => readBroadcast(input, index))));
}

function unary(f: (x: number) => number): Evaluator<UnaryName> {
  return ([x]) => [mapped(x, f)];
}

function binary(f: (a: number, b: number) => number): Evaluator<BinaryName | "greater"> {
  return (inputs) => [zipped(inputs, f)];
}

export const elementwise: Evaluators<UnaryName | BinaryName | "cast" | "greater" | "where"> = {
  // The reference does not round to other float types: cases use values that are exact in both types.
  cast: ([x], { to }) => {
    switch (to) {
      case "float32":
      case "float16":
      case "bfloat16":
        return [x];
      case "int64":
        return [mapped(x, Math.trunc)];
      case "bool":
        return [mapped(x, (value) => (value === 0 ? 0 : 1))];
    }
  },
  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  reciprocal: unary((x) => 1 / x),
  tanh: unary(Math.tanh),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  erf: unary(erf),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  relu: unary((x) => Math.max(x, 0)),
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  greater: binary((a, b) => (a > b ? 1 : 0)),
  where: (inputs) => [zipped(inputs, (condition, a, b) => (condition !== 0 ? a : b))],
};
