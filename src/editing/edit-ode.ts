/** @file The ODE between two images that FlowEdit follows, for flows and for diffusions of noise. */

import type { FloatTensor } from "../core/tensor.js";
import { addNoise, estimate, type NoiseLevel, type Scheduler, weightedSum } from "../schedulers/index.js";
import { isFlow } from "./strength.js";

export interface EditOde {
  /** The source x and the edited image z with the same noise, as the model is given them. */
  noised(
    level: NoiseLevel,
    x: FloatTensor,
    z: FloatTensor,
    noise: FloatTensor,
  ): { readonly zs: FloatTensor; readonly zt: FloatTensor };
  /** d z / d sigma by the model's output. */
  velocity(level: NoiseLevel, sample: FloatTensor, output: FloatTensor): FloatTensor;
}

/**
 * A flow's own (arXiv 2412.08629): zt = z + zs - x. Diffusions of noise: DDIM's ODE d z / d sigma = eps, where sigma = sqrt((1 - a) / a)
 * and the model is given sqrt(a) (z + sigma noise); it has the coordinates of z = x / sqrt(a) (arXiv 2010.02502, equation 14).
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
