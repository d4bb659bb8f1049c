/** @file Distances to the pixels of a mask (Felzenszwalb and Huttenlocher 2012, "Distance Transforms of Sampled Functions"). */

import { at } from "../core/lists.js";

/** Pixels of one channel, rows from the top. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Squared Euclidean distance from each pixel to the nearest pixel whose value `counts`; infinite if there is none. */
export function squaredDistances({ width, height, data }: Plane, counts: (value: number) => boolean): Float64Array {
  const distances = Float64Array.from(data, (value) => (counts(value) ? 0 : Number.POSITIVE_INFINITY));
  for (let column = 0; column < width; column++) transform(distances, column, width, height);
  for (let row = 0; row < height; row++) transform(distances, row * width, 1, width);
  return distances;
}

/** min over q of (p - q)^2 + f(q) along `count` values that lie `step` apart, in place: the lower envelope of parabolas. */
function transform(values: Float64Array, start: number, step: number, count: number): void {
  const f = Float64Array.from({ length: count }, (_, i) => at(values, start + i * step));
  const vertices: number[] = [];
  /** Where each parabola becomes the lowest. */
  const from: number[] = [];
  for (let q = 0; q < count; q++) {
    if (at(f, q) === Number.POSITIVE_INFINITY) continue;
    let begin = Number.NEGATIVE_INFINITY;
    for (let last = vertices.at(-1); last !== undefined; last = vertices.at(-1)) {
      begin = (at(f, q) + q * q - at(f, last) - last * last) / (2 * (q - last));
      if (begin > at(from, from.length - 1)) break;
      vertices.pop();
      from.pop();
      begin = Number.NEGATIVE_INFINITY;
    }
    vertices.push(q);
    from.push(begin);
  }
  let k = 0;
  for (let p = 0; p < count && vertices.length > 0; p++) {
    while (k + 1 < vertices.length && at(from, k + 1) <= p) k++;
    const q = at(vertices, k);
    values[start + p * step] = (p - q) ** 2 + at(f, q);
  }
}
