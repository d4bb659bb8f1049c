/** @file Pooling over square windows, composed of elementwise operators, since its cost is small compared with convolutions. */

import { floatTensor } from "../core/tensor.js";
import { GraphError } from "../graph/error.js";
import type { Value } from "../graph/ir.js";
import { add, constant, greater, mul, pad, reshape, slice, where } from "../graph/ops.js";

/** Max pooling of [N, C, H, W] (PyTorch's max_pool2d without padding). */
export function maxPool(x: Value, size: number, stride: number): Value {
  const along = (y: Value, axis: 2 | 3) => windows(y, axis, size, stride).reduce(maximum);
  return along(along(x, 2), 3);
}

/** Max pooling with window 3, stride 1 and zero padding: for non-negative x (after a relu), the same as padding with -infinity. */
export function maxPool3Same(x: Value): Value {
  const along = (y: Value, axis: 2 | 3) => {
    const size = y.dim(axis);
    const padded = pad(y, axis, 1, 1);
    return [0, 1, 2].map((shift) => slice(padded, axis, shift, shift + size)).reduce(maximum);
  };
  return along(along(x, 2), 3);
}

/** Average pooling with window 3 and stride 1 (avg_pool2d with padding 1, count_include_pad=False). */
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

/** For each i, the i-th elements of all windows of `size`; drops an incomplete last window. */
function windows(x: Value, axis: 2 | 3, size: number, stride: number): Value[] {
  const count = Math.floor((x.dim(axis) - size) / stride) + 1;
  if (count < 1) throw new GraphError(`${x.dim(axis)} pixels are fewer than a window of ${size}`);
  return Array.from({ length: size }, (_, i) => strided(x, axis, i, stride, count));
}

/** `count` elements of one axis from `start`, `stride` apart, by folding the axis, since there is no strided slice. */
function strided(x: Value, axis: 2 | 3, start: number, stride: number, count: number): Value {
  const needed = start + count * stride;
  const available = x.dim(axis);
  // The last fold may extend beyond the end; its padding is not read.
  const filled = needed > available ? pad(x, axis, 0, needed - available) : x;
  const cut = slice(filled, axis, start, needed);
  const folded = [...x.shape.slice(0, axis), count, stride, ...x.shape.slice(axis + 1)];
  const picked = slice(reshape(cut, folded), axis + 1, 0, 1);
  return reshape(picked, [...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
}
