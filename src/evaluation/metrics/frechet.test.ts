import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Generator } from "../../core/random.js";
import { featureStatistics, frechetDistance } from "./frechet.js";
import { congruent, pivotedFactor, type SquareMatrix, symmetricEigenvalues } from "./symmetric.js";

const near = (actual: number, expected: number, relative = 1e-9) =>
  assert.ok(Math.abs(actual - expected) <= relative * Math.max(1, Math.abs(expected)), `${actual}, not ${expected}`);

const matrix = (rows: readonly (readonly number[])[]): SquareMatrix => ({
  size: rows.length,
  data: Float64Array.from(rows.flat()),
});

/** Rows of a normal distribution whose dimension i is scaled by `scales[i]` and moved by `shift`. */
function sample(count: number, scales: readonly number[], seed: number, shift = 0): Float32Array[] {
  const { data } = new Generator(seed).normal([count, scales.length]);
  return Array.from({ length: count }, (_, row) =>
    Float32Array.from(scales, (scale, i) => shift + scale * data[row * scales.length + i]),
  );
}

describe("symmetricEigenvalues", () => {
  it("of small matrices, also with zeros and repeated values", () => {
    const sorted = (m: SquareMatrix) => [...symmetricEigenvalues(m)].sort((a, b) => a - b);
    for (const [rows, expected] of [
      [[[3]], [3]],
      [
        [
          [2, 1],
          [1, 2],
        ],
        [1, 3],
      ],
      [
        [
          [0, 0, 0],
          [0, 0, 0],
          [0, 0, 5],
        ],
        [0, 0, 5],
      ],
      [
        [
          [2, -1, 0, 0],
          [-1, 2, -1, 0],
          [0, -1, 2, -1],
          [0, 0, -1, 2],
        ],
        [1, 2, 3, 4].map((k) => 2 - 2 * Math.cos((k * Math.PI) / 5)),
      ],
    ] as const) {
      for (const [i, value] of sorted(matrix(rows)).entries()) near(value, expected[i]);
    }
  });

  it("keep trace and sum of squares of any matrix", () => {
    const sizes = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(sizes, fc.nat(1000), (n, seed) => {
        const { data } = new Generator(seed).normal([n, n]);
        const symmetric = Float64Array.from(
          { length: n * n },
          (_, i) => data[i] + data[(i % n) * n + Math.floor(i / n)],
        );
        const eigenvalues = [...symmetricEigenvalues({ size: n, data: symmetric })];
        const trace = Array.from({ length: n }, (_, i) => symmetric[i * n + i]).reduce((a, b) => a + b, 0);
        near(
          eigenvalues.reduce((a, b) => a + b, 0),
          trace,
        );
        near(
          eigenvalues.reduce((a, b) => a + b * b, 0),
          symmetric.reduce((a, b) => a + b * b, 0),
        );
      }),
    );
  });
});

describe("pivotedFactor", () => {
  it("has as many rows as the matrix has rank, and gives it back", () => {
    const features = sample(6, [1, 2, 3, 0.5, 1, 1, 4, 1, 1], 3);
    const { covariance } = featureStatistics(features);
    const factor = pivotedFactor(covariance);
    assert.equal(factor.length, 5);
    for (let i = 0; i < 9; i++) {
      for (let j = 0; j < 9; j++) {
        const value = factor.reduce((sum, row) => sum + row[i] * row[j], 0);
        near(value, covariance.data[9 * i + j]);
      }
    }
    const identity = matrix(Array.from({ length: 9 }, (_, i) => Array.from({ length: 9 }, (_, j) => Number(i === j))));
    const trace = [...symmetricEigenvalues(congruent(factor, identity))].reduce((a, b) => a + b, 0);
    near(
      trace,
      [...Array(9).keys()].reduce((sum, i) => sum + covariance.data[10 * i], 0),
    );
  });

  it("of nothing is nothing", () => {
    assert.deepEqual(
      pivotedFactor(
        matrix([
          [0, 0],
          [0, 0],
        ]),
      ),
      [],
    );
  });
});

describe("frechetDistance", () => {
  const diagonal = (mean: readonly number[], variances: readonly number[]) => ({
    mean: Float64Array.from(mean),
    covariance: matrix(variances.map((v, i) => variances.map((_, j) => (i === j ? v : 0)))),
    count: null,
  });

  it("of independent dimensions is the sum of what each adds", () => {
    const a = diagonal([0, 1, 2], [4, 9, 0]);
    const b = diagonal([1, 1, 0], [1, 16, 25]);
    near(frechetDistance(a, b), 1 + 4 + (2 - 1) ** 2 + (3 - 4) ** 2 + (0 - 5) ** 2);
    near(frechetDistance(b, a), frechetDistance(a, b));
  });

  it("of rank-deficient covariances: two features of which one is a multiple of the other", () => {
    // Both distributions lie on one line, so the distance is that of their deviations along it.
    const along = [3, -4];
    const on = (values: readonly number[]) => values.map((t) => Float32Array.from(along, (x) => x * t));
    const [a, b] = [on([-1, 0, 1]), on([-3, 0, 3])].map(featureStatistics);
    near(frechetDistance(a, b), (5 * 3 - 5 * 1) ** 2, 1e-7);
  });

  it("of fewer images than features equals the same distance of features without the empty dimensions", () => {
    const scales = [2, 1, 0.5, 3];
    const [a, b] = [sample(40, scales, 1), sample(60, scales, 2, 0.3)];
    const padded = (rows: readonly Float32Array[]) => rows.map((row) => Float32Array.of(0, ...row, 0, 0, 0, 5, 5));
    const small = frechetDistance(featureStatistics(a), featureStatistics(b));
    near(frechetDistance(featureStatistics(padded(a)), featureStatistics(padded(b))), small, 1e-7);
    assert.ok(small > 0.1);
  });

  it("of equal distributions is 0, and is never below", () => {
    const wide = featureStatistics(sample(10, Array<number>(32).fill(1), 9));
    const distance = frechetDistance(wide, wide);
    assert.ok(distance >= 0 && distance < 1e-6, String(distance));
  });

  it("refuses what cannot be compared", () => {
    assert.throws(() => frechetDistance(diagonal([0], [1]), diagonal([0, 0], [1, 1])), /features of 1 and 2 numbers/);
    assert.throws(() => featureStatistics([Float32Array.of(1)]), /at least 2 images, got 1/);
  });
});
