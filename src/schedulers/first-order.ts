/** @file The first-order step of all samplers: DDIM (arXiv 2010.02502, equation 12 without noise) or Euler along a flow. */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import { estimate, type Parametrisation } from "./parametrisation.js";
import type { Update } from "./run.js";
import { weightedSum } from "./weighted-sum.js";

/**
 * Steps between two noise levels, in either direction: combines the estimates of x_0 and eps at `from` with the weights of `to`.
 * `clip` may clip the estimate of x_0.
 */
export function firstOrderStep(
  parametrisation: Parametrisation,
  { from, to }: { readonly from: NoiseLevel; readonly to: NoiseLevel },
  { sample, output }: { readonly sample: FloatTensor; readonly output: FloatTensor },
  clip: (clean: FloatTensor) => FloatTensor = (clean) => clean,
): FloatTensor {
  const clean = estimate(parametrisation.toClean(from), sample, output);
  const noise = estimate(parametrisation.toNoise(from), sample, output);
  return weightedSum([to.signal, clip(clean)], [to.noise, noise]);
}

/** `firstOrderStep` as the update of a run. */
export function firstOrder(parametrisation: Parametrisation, clip?: (clean: FloatTensor) => FloatTensor): Update {
  return (feeds) => ({ sample: firstOrderStep(parametrisation, feeds.step, feeds, clip) });
}
