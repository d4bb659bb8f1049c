/** @file The Frechet distance of two normal distributions (arXiv 1706.08500, equation 6), of which only moments are known. */

import { InputError } from "../../core/errors.js";
import { congruent, pivotedFactor, type SquareMatrix, symmetricEigenvalues } from "./symmetric.js";

/** Mean and covariance of feature vectors: what pytorch-fid's statistics files hold as mu and sigma. */
export interface FeatureStatistics {
  readonly mean: Float64Array;
  readonly covariance: SquareMatrix;
  /** How many vectors; null where a file does not say. */
  readonly count: number | null;
}

/** Moments of rows of equal length, in double precision; the covariance is divided by n - 1, as numpy's. */
export function featureStatistics(features: readonly Float32Array[]): FeatureStatistics {
  const count = features.length;
  const size = features[0]?.length ?? 0;
  if (count < 2) throw new InputError(`a covariance needs at least 2 images, got ${count}`);
  const mean = new Float64Array(size);
  for (const feature of features) for (let i = 0; i < size; i++) mean[i] += feature[i] / count;
  const data = new Float64Array(size * size);
  const centred = new Float64Array(size);
  for (const feature of features) {
    for (let i = 0; i < size; i++) centred[i] = feature[i] - mean[i];
    for (let i = 0; i < size; i++) {
      const share = centred[i] / (count - 1);
      if (share !== 0) for (let j = i, at = i * size + i; j < size; j++, at++) data[at] += share * centred[j];
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) data[i * size + j] = data[j * size + i];
  return { mean, covariance: { size, data }, count };
}

/**
 * |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^1/2).
 *
 * With S1 = L^T L, S1 S2 and L S2 L^T have the same eigenvalues except zeros, and the latter is symmetric: its eigenvalues are real and
 * found safely whatever the ranks, so that fewer images than features need no offset (pytorch-fid's scipy.linalg.sqrtm does then).
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  if (a.mean.length !== b.mean.length) {
    throw new InputError(`features of ${a.mean.length} and ${b.mean.length} numbers cannot be compared`);
  }
  // The one with fewer images has the smaller rank, and so the smaller eigenvalue problem.
  const [few, many] = (a.count ?? Number.POSITIVE_INFINITY) <= (b.count ?? Number.POSITIVE_INFINITY) ? [a, b] : [b, a];
  const shared = symmetricEigenvalues(congruent(pivotedFactor(few.covariance), many.covariance));
  const root = shared.reduce((sum, eigenvalue) => sum + Math.sqrt(Math.max(0, eigenvalue)), 0);
  const apart = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]) ** 2, 0);
  // Of equal distributions rounding may leave a little less than nothing.
  return Math.max(0, apart + trace(a.covariance) + trace(b.covariance) - 2 * root);
}

function trace({ size, data }: SquareMatrix): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += data[i * size + i];
  return sum;
}
