/** @file Reference definitions of leaves, layout operators, and reductions. */

import type { Shape } from "../../core/tensor.js";
import type { LayoutName } from "../../graph/operators/layout.js";
import type { Evaluators } from "./evaluator.js";
import { type NdArray, read, readBroadcast, replaceAt, sum, tabulate, valuesOf } from "./nd-array.js";

type Names = LayoutName | "input" | "parameter" | "constant" | "reduceSum" | "reduceMean" | "gather" | "scatterAdd";

/** Sum over `axes`, which keep size 1 with `keepDims`. */
function reduced(x: NdArray, axes: readonly number[], keepDims: boolean): NdArray {
  const kept = tabulate(
    x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
    (index) =>
      axes.reduce<(position: readonly number[]) => number>(
        (inner, axis) => (position) => sum(x.shape[axis], (i) => inner(replaceAt(position, axis, i))),
        (position) => read(x, position),
      )(index),
  );
  return keepDims ? kept : { shape: x.shape.filter((_, axis) => !axes.includes(axis)), data: kept.data };
}

function leaf(shape: Shape, values: ArrayLike<number>): readonly NdArray[] {
  return [{ shape, data: Float64Array.from(values) }];
}

export const layout: Evaluators<Names> = {
  input: (_, { name, shape }, leaves) => leaf(shape, leaves.input(name)),
  parameter: (_, { stored }, leaves) => leaf(stored.shape, leaves.parameter(stored)),
  constant: (_, { tensor }) => leaf(tensor.shape, valuesOf(tensor)),
  reduceSum: ([x], { axes, keepDims }) => [reduced(x, axes, keepDims)],
  reduceMean: ([x], { axes, keepDims }) => {
    const { shape, data } = reduced(x, axes, keepDims);
    const count = x.data.length / data.length;
    return [{ shape, data: data.map((total) => total / count) }];
  },
  reshape: ([{ data }], { shape }) => [{ shape, data }],
  transpose: ([x], { permutation }) => [
    tabulate(
      permutation.map((axis) => x.shape[axis]),
      (index) => {
        const source: number[] = [];
        for (const [position, axis] of permutation.entries()) source[axis] = index[position];
        return read(x, source);
      },
    ),
  ],
  expand: ([x], { shape }) => [tabulate(shape, (index) => readBroadcast(x, index))],
  slice: ([x], { axis, start, end }) => [
    tabulate(replaceAt(x.shape, axis, end - start), (index) => read(x, replaceAt(index, axis, index[axis] + start))),
  ],
  reverse: ([x], { axes }) => [
    tabulate(x.shape, (index) => {
      const source = index.map((i, axis) => (axes.includes(axis) ? x.shape[axis] - 1 - i : i));
      return read(x, source);
    }),
  ],
  concat: (parts, { axis }) => {
    const size = sum(parts.length, (i) => parts[i].shape[axis]);
    return [
      tabulate(replaceAt(parts[0].shape, axis, size), (index) => {
        let position = index[axis];
        const part = parts.find(({ shape }) => {
          if (position < shape[axis]) return true;
          position -= shape[axis];
          return false;
        });
        return part === undefined ? Number.NaN : read(part, replaceAt(index, axis, position));
      }),
    ];
  },
  // `read` returns 0 outside the array.
  pad: ([x], { axis, before, after }) => [
    tabulate(replaceAt(x.shape, axis, before + x.shape[axis] + after), (index) =>
      read(x, replaceAt(index, axis, index[axis] - before)),
    ),
  ],
  gather: ([table, indices]) => {
    const rank = indices.shape.length;
    return [
      tabulate([...indices.shape, ...table.shape.slice(1)], (index) =>
        read(table, [read(indices, index.slice(0, rank)), ...index.slice(rank)]),
      ),
    ];
  },
  scatterAdd: ([indices, updates], { rows }) => [
    tabulate([rows, updates.shape[1]], ([row, column]) =>
      sum(indices.data.length, (i) => (indices.data[i] === row ? read(updates, [i, column]) : 0)),
    ),
  ],
};
