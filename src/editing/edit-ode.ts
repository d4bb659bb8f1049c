/** @file FlowEdit's ODE from the source to the edited image, for flows and for noise-prediction models. */

import type { FloatTensor } from "../core/tensor.js";
import { addNoise, estimate, type NoiseLevel, type Scheduler, weightedSum } from "../schedulers/index.js";
import { isFlow } from "./strength.js";

export interface EditOde {
  /** The model inputs for the source x and the edited image z with the same noise. */
  noised(
    level: NoiseLevel,
    x: FloatTensor,
    z: FloatTensor,
    noise: FloatTensor,
  ): { readonly zs: FloatTensor; readonly zt: FloatTensor };
  /** Estimates d z / d sigma from the model's output. */
  velocity(level: NoiseLevel, sample: FloatTensor, output: FloatTensor): FloatTensor;
}

/**
 * For flows (arXiv 2412.08629): zt = z + zs - x. For noise prediction, DDIM's ODE d z / d sigma = eps with sigma = sqrt((1 - a) / a), in
 * the coordinates x / sqrt(a) (arXiv 2010.02502, equation 14); the model input is sqrt(a) (z + sigma noise).
 */
export function editOde(scheduler: Scheduler): EditOde {
  if (isFlow(scheduler)) {
    return {
      noised(level, x, z, noise) {
        const zs = addNoise(level, x, noise);
        return { zs, zt: weightedSum([1, z], [1, zs], [-1, x]) };
      },
      velocity: (_level, _sample, output) => output,
    };
  }
  return {
    noised: (level, x, z, noise) => ({ zs: addNoise(level, x, noise), zt: addNoise(level, z, noise) }),
    velocity: (level, sample, output) => estimate(scheduler.parametrisation.toNoise(level), sample, output),
  };
}
