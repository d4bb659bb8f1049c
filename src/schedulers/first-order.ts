/** @file The step that all samplers are to first order: DDIM (arXiv 2010.02502, equation 12 without noise), Euler along a flow. */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import { estimate, type Parametrisation } from "./parametrisation.js";
import type { Update } from "./run.js";
import { weightedSum } from "./weighted-sum.js";

/**
 * From one level to another, in either direction: the estimates of x_0 and eps at `from` are combined with the weights of `to`.
 * `limit` may clip the estimate of x_0.
 */
export function firstOrderStep(
  parametrisation: Parametrisation,
  { from, to }: { readonly from: NoiseLevel; readonly to: NoiseLevel },
  { sample, output }: { readonly sample: FloatTensor; readonly output: FloatTensor },
  limit: (clean: FloatTensor) => FloatTensor = (clean) => clean,
): FloatTensor {
  const clean = estimate(parametrisation.toClean(from), sample, output);
  const noise = estimate(parametrisation.toNoise(from), sample, output);
  return weightedSum([to.signal, limit(clean)], [to.noise, noise]);
}

/** The same as the update of a run. */
export function firstOrder(parametrisation: Parametrisation, limit?: (clean: FloatTensor) => FloatTensor): Update {
  return (feeds) => ({ sample: firstOrderStep(parametrisation, feeds.step, feeds, limit) });
}
