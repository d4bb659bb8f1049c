/** @file Reference definitions of products, softmax, attention, normalisations and convolutions. */

import { erf, mapped } from "./evaluate-elementwise.js";
import type { Evaluators } from "./evaluator.js";
import { type NdArray, read, readBroadcast, replaceAt, sum, tabulate } from "./nd-array.js";

type Names =
  | "matmul"
  | "gemm"
  | "softmax"
  | "attention"
  | "layerNormalization"
  | "groupNormalization"
  | "gelu"
  | "conv2d"
  | "convTranspose2d"
  | "upsampleNearest";

/** Swaps the last two axes. */
function transposed(x: NdArray): NdArray {
  const rank = x.shape.length;
  const swap = (index: readonly number[]) => [...index.slice(0, rank - 2), index[rank - 1], index[rank - 2]];
  return tabulate(swap(x.shape), (index) => read(x, swap(index)));
}

/** Y[..., i, j] = sum over k of A[..., i, k] B[..., k, j]. */
function product(a: NdArray, b: NdArray): NdArray {
  const rank = Math.max(a.shape.length, b.shape.length);
  const shape = Array.from({ length: rank }, (_, axis) => {
    const [sizeA, sizeB] = [a, b].map((x) => x.shape[axis - rank + x.shape.length] ?? 1);
    return sizeA === 1 ? sizeB : sizeA;
  });
  [shape[rank - 2], shape[rank - 1]] = [a.shape.at(-2) ?? 1, b.shape.at(-1) ?? 1];
  // Only leading axes broadcast; `readBroadcast` would also expand matrices of one row or column.
  const entry = (x: NdArray, batch: readonly number[], row: number, column: number) => {
    const skipped = rank - x.shape.length;
    const leading = x.shape.slice(0, -2).map((size, axis) => (size === 1 ? 0 : batch[axis + skipped]));
    return read(x, [...leading, row, column]);
  };
  return tabulate(shape, (index) =>
    sum(a.shape.at(-1) ?? 1, (k) => entry(a, index, index[rank - 2], k) * entry(b, index, k, index[rank - 1])),
  );
}

/** exp(x_i) / sum over j of exp(x_j). */
function softmax(values: readonly number[]): number[] {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = sum(powers.length, (i) => powers[i]);
  return powers.map((power) => power / total);
}

/** Mean and (variance + epsilon)^-1/2. */
function moments(values: Float64Array, epsilon: number): [mean: number, inverseDeviation: number] {
  const mean = sum(values.length, (i) => values[i]) / values.length;
  const variance = sum(values.length, (i) => (values[i] - mean) ** 2) / values.length;
  return [mean, 1 / Math.sqrt(variance + epsilon)];
}

/** Normalises consecutive groups of `length` elements to mean 0 and deviation 1; also returns the inverse deviations. */
function normalized({ shape, data }: NdArray, length: number, epsilon: number): [NdArray, number[]] {
  const result = new Float64Array(data.length);
  const inverses: number[] = [];
  for (let start = 0; start < data.length; start += length) {
    const group = data.subarray(start, start + length);
    const [mean, inverse] = moments(group, epsilon);
    inverses.push(inverse);
    result.set(
      group.map((value) => (value - mean) * inverse),
      start,
    );
  }
  return [{ shape, data: result }, inverses];
}

export const network: Evaluators<Names> = {
  matmul: ([a, b], { transposeA, transposeB }) => [
    product(transposeA ? transposed(a) : a, transposeB ? transposed(b) : b),
  ],
  gemm: ([a, b, bias], { transposeA, transposeB }) => {
    const y = product(transposeA ? transposed(a) : a, transposeB ? transposed(b) : b);
    return [bias ? tabulate(y.shape, (index) => read(y, index) + read(bias, [index[1]])) : y];
  },
  softmax: ([x], { axis }) => [
    tabulate(x.shape, (index) => {
      const row = Array.from({ length: x.shape[axis] }, (_, i) => read(x, replaceAt(index, axis, i)));
      return softmax(row)[index[axis]];
    }),
  ],
  // O[n, i, h d + c] = sum over j of softmax_j(scale Q_i . K_j + bias_ij) V[n, j, h d + c], for each head h; the last key and
  // value occur `lastKeyCount` times.
  attention: ([q, k, v, bias], { heads, scale, lastKeyCount }) => {
    const [batch, queries, width] = q.shape;
    const last = k.shape[1] - 1;
    const keys = last + lastKeyCount;
    const stored = (j: number) => Math.min(j, last);
    const [size, valueSize] = [width / heads, v.shape[2] / heads];
    const weights = tabulate([batch, heads, queries, keys], ([n, h, i, j]) => {
      const dot = sum(size, (c) => read(q, [n, i, h * size + c]) * read(k, [n, stored(j), h * size + c]));
      return scale * dot + (bias ? readBroadcast(bias, [n, h, i, stored(j)]) : 0);
    });
    for (let row = 0; row < weights.data.length; row += keys) {
      weights.data.set(softmax([...weights.data.subarray(row, row + keys)]), row);
    }
    return [
      tabulate([batch, queries, v.shape[2]], ([n, i, column]) =>
        sum(keys, (j) => read(weights, [n, Math.floor(column / valueSize), i, j]) * read(v, [n, stored(j), column])),
      ),
    ];
  },
  layerNormalization: ([x], { epsilon }) => {
    const width = x.shape[x.shape.length - 1];
    const [y, inverses] = normalized(x, width, epsilon);
    return [y, { shape: [...x.shape.slice(0, -1), 1], data: Float64Array.from(inverses) }];
  },
  groupNormalization: ([x], { groups, epsilon }) => {
    const [y] = normalized(x, x.data.length / (x.shape[0] * groups), epsilon);
    return [y];
  },
  gelu: ([x], { approximate }) => [
    mapped(x, (value) =>
      approximate === "tanh"
        ? 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)))
        : 0.5 * value * (1 + erf(value / Math.SQRT2)),
    ),
  ],
  // Y[n, o, y, x] = bias[o] + sum over i, r, c of X[n, i, stride y + dilation r - pad, ...] K[o, i, r, c]; X is 0 outside.
  conv2d: ([x, kernel, bias], { strides, pads, dilations }) => {
    const [batch, channels, ...input] = x.shape;
    const [outputs, , ...taps] = kernel.shape;
    const [height, width] = input.map((size, axis) => {
      const extent = dilations[axis] * (taps[axis] - 1);
      let count = 0;
      while (count * strides[axis] + extent < size + pads[axis] + pads[axis + 2]) count++;
      return count;
    });
    return [
      tabulate(
        [batch, outputs, height, width],
        ([n, o, row, column]) =>
          (bias ? read(bias, [o]) : 0) +
          sum(channels, (i) =>
            sum(taps[0], (r) => {
              const top = row * strides[0] + r * dilations[0] - pads[0];
              return sum(taps[1], (c) => {
                const left = column * strides[1] + c * dilations[1] - pads[1];
                return read(x, [n, i, top, left]) * read(kernel, [o, i, r, c]);
              });
            }),
          ),
      ),
    ];
  },
  // Y[n, o, y, x] = sum over the input pixels p and taps r with stride p + dilation r - pad = y of X[n, i, p] K[i, o, r].
  convTranspose2d: ([x, kernel], { strides, pads, dilations, outputPadding }) => {
    const [batch, channels, ...input] = x.shape;
    const [, outputs, ...taps] = kernel.shape;
    const [height, width] = input.map((size, axis) => {
      const extent = (size - 1) * strides[axis] + (taps[axis] - 1) * dilations[axis];
      return extent + 1 + outputPadding[axis] - pads[axis] - pads[axis + 2];
    });
    const source = (position: number, tap: number, axis: 0 | 1) =>
      (position + pads[axis] - tap * dilations[axis]) / strides[axis];
    return [
      tabulate([batch, outputs, height, width], ([n, o, row, column]) =>
        sum(channels, (i) =>
          sum(taps[0], (r) =>
            sum(taps[1], (c) => {
              const [top, left] = [source(row, r, 0), source(column, c, 1)];
              if (!Number.isInteger(top) || !Number.isInteger(left)) return 0;
              return read(x, [n, i, top, left]) * read(kernel, [i, o, r, c]);
            }),
          ),
        ),
      ),
    ];
  },
  upsampleNearest: ([x], { scale }) => [
    tabulate([x.shape[0], x.shape[1], x.shape[2] * scale, x.shape[3] * scale], ([n, c, row, column]) =>
      read(x, [n, c, Math.floor(row / scale), Math.floor(column / scale)]),
    ),
  ],
};
