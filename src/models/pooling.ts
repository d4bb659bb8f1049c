/** @file Pooling over square windows, from elementwise operators: the networks that need it are small beside their convolutions. */

import { floatTensor } from "../core/tensor.js";
import { GraphError } from "../graph/error.js";
import type { Value } from "../graph/ir.js";
import { add, constant, greater, mul, pad, reshape, slice, where } from "../graph/ops.js";

/** Largest of each window of [N, C, H, W] (PyTorch's max_pool2d, without padding). */
export function maxPool(x: Value, size: number, stride: number): Value {
  const along = (y: Value, axis: 2 | 3) => windows(y, axis, size, stride).reduce(maximum);
  return along(along(x, 2), 3);
}

/** Largest of each window of three at stride 1, the border repeated: where x is nowhere negative, as padding with -infinity. */
export function maxPool3Same(x: Value): Value {
  const along = (y: Value, axis: 2 | 3) => {
    const size = y.dim(axis);
    const padded = pad(y, axis, 1, 1);
    return [0, 1, 2].map((shift) => slice(padded, axis, shift, shift + size)).reduce(maximum);
  };
  return along(along(x, 2), 3);
}

/** Mean of each window of three at stride 1 over the pixels that exist (avg_pool2d with padding 1, count_include_pad=False). */
export function averagePool3Same(x: Value): Value {
  const along = (y: Value, axis: 2 | 3) => {
    const size = y.dim(axis);
    const padded = pad(y, axis, 1, 1);
    const total = [0, 1, 2].map((shift) => slice(padded, axis, shift, shift + size)).reduce((a, b) => add(a, b));
    const shares = Float32Array.from({ length: size }, (_, i) => 1 / (1 + Number(i > 0) + Number(i < size - 1)));
    return mul(total, constant(x.graph, floatTensor(axis === 2 ? [size, 1] : [size], shares)));
  };
  return along(along(x, 2), 3);
}

function maximum(a: Value, b: Value): Value {
  return where(greater(a, b), a, b);
}

/** The i-th elements of all windows of `size`, for each i; what is left over at the end falls away. */
function windows(x: Value, axis: 2 | 3, size: number, stride: number): Value[] {
  const count = Math.floor((x.dim(axis) - size) / stride) + 1;
  if (count < 1) throw new GraphError(`${x.dim(axis)} pixels are less than a window of ${size}`);
  return Array.from({ length: size }, (_, i) => strided(x, axis, i, stride, count));
}

/** `count` elements of one axis from `start` on, `stride` apart: there is no strided slice, so the axis is folded. */
function strided(x: Value, axis: 2 | 3, start: number, stride: number, count: number): Value {
  const needed = start + count * stride;
  const available = x.dim(axis);
  // The last fold may reach beyond the end; what is put there is not read.
  const filled = needed > available ? pad(x, axis, 0, needed - available) : x;
  const cut = slice(filled, axis, start, needed);
  const folded = [...x.shape.slice(0, axis), count, stride, ...x.shape.slice(axis + 1)];
  const picked = slice(reshape(cut, folded), axis + 1, 0, 1);
  return reshape(picked, [...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
}
