/** @file The number of operands and results of each operator, as data and as types. */

import { GraphError } from "../error.js";
import type { OperatorName } from "./attributes.js";

/** Operand tuples by their count; "2-3" means two operands and an optional third. */
export interface OperandTuples<T> {
  0: readonly [];
  1: readonly [T];
  2: readonly [T, T];
  3: readonly [T, T, T];
  "2-3": readonly [T, T, ...T[]];
  "3-4": readonly [T, T, T, ...T[]];
  "1+": readonly [T, ...T[]];
}

const limits: Readonly<Record<keyof OperandTuples<unknown>, readonly [min: number, max: number]>> = {
  0: [0, 0],
  1: [1, 1],
  2: [2, 2],
  3: [3, 3],
  "2-3": [2, 3],
  "3-4": [3, 4],
  "1+": [1, Number.POSITIVE_INFINITY],
};

const counts = {
  ...{ input: 0, parameter: 0, constant: 0 },
  ...{ cast: 1, neg: 1, exp: 1, log: 1, sqrt: 1, reciprocal: 1, tanh: 1, sigmoid: 1, erf: 1, sin: 1, cos: 1, relu: 1 },
  ...{ add: 2, sub: 2, mul: 2, div: 2, greater: 2, where: 3 },
  ...{ matmul: 2, gemm: "2-3", attention: "3-4" },
  ...{ reduceSum: 1, reduceMean: 1, softmax: 1 },
  ...{ reshape: 1, transpose: 1, expand: 1, slice: 1, reverse: 1, concat: "1+", pad: 1 },
  ...{ gather: 2, scatterAdd: 2 },
  ...{ layerNormalization: 1, groupNormalization: 1, gelu: 1 },
  ...{ conv2d: "2-3", convTranspose2d: "2-3", upsampleNearest: 1 },
} as const satisfies Readonly<Record<OperatorName, keyof OperandTuples<unknown>>>;

/** One `T` for each operand of an operator. */
export type Operands<K extends OperatorName, T> = OperandTuples<T>[(typeof counts)[K]];

/** One `T` for each result of an operator: only layer normalisation has a by-product. */
export type Results<K extends OperatorName, T> = K extends "layerNormalization" ? readonly [T, T] : readonly [T];

/** Checks the length of `list` and returns it as the operands of `op`. */
export function operandsOf<K extends OperatorName, T>(op: K, list: readonly T[]): Operands<K, T> {
  const [min, max] = limits[counts[op]];
  if (list.length < min || list.length > max) {
    throw new GraphError(`takes ${min === max ? min : `${min} to ${max}`} inputs, got ${list.length}`);
  }
  // Checked above; the compiler cannot follow the length through the table.
  return list as unknown as Operands<K, T>;
}
