/**
 * @file Parametrisations of the model's output. Sample and target are linear in the clean sample x_0 and the noise eps, so x_0 and eps
 * are linear in the sample and the output.
 */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import { weightedSum } from "./weighted-sum.js";

export type PredictionType = "epsilon" | "v_prediction" | "sample" | "flow";

/** An estimate as a weighted sum of the sample and the model's output. */
export interface EstimateWeights {
  readonly sample: number;
  readonly output: number;
}

export interface Parametrisation {
  /** Weights of the estimate of x_0 at a level. */
  toClean(level: NoiseLevel): EstimateWeights;
  /** Weights of the estimate of eps at a level, multiplied by `factor` (default 1). */
  toNoise(level: NoiseLevel, factor?: number): EstimateWeights;
  /** The weights of x_0 and eps in the training target at a level. */
  target(level: NoiseLevel): { readonly clean: number; readonly noise: number };
}

export const parametrisations: Readonly<Record<PredictionType, Parametrisation>> = {
  /** eps itself (arXiv 2006.11239). */
  epsilon: {
    toClean: ({ signal, noise }) => ({ sample: 1 / signal, output: -noise / signal }),
    toNoise: (_, factor = 1) => ({ sample: 0, output: factor }),
    target: () => ({ clean: 0, noise: 1 }),
  },
  /** v = signal eps - noise x_0 for samples of variance 1 (arXiv 2202.00512). */
  v_prediction: {
    toClean: ({ signal, noise, variance }) => ({ sample: signal / variance, output: -noise / Math.sqrt(variance) }),
    toNoise: ({ signal, noise, variance }, factor = 1) => ({
      sample: (factor * noise) / variance,
      output: (factor * signal) / Math.sqrt(variance),
    }),
    target: ({ signal, noise, variance }) => ({
      clean: -noise / Math.sqrt(variance),
      noise: signal / Math.sqrt(variance),
    }),
  },
  /** x_0 itself. */
  sample: {
    toClean: () => ({ sample: 0, output: 1 }),
    toNoise: ({ signal, noise }, factor = 1) => ({ sample: factor / noise, output: (-factor * signal) / noise }),
    target: () => ({ clean: 1, noise: 0 }),
  },
  /** The velocity eps - x_0 for samples (1 - s) x_0 + s eps (arXiv 2209.03003). */
  flow: {
    toClean: ({ noise }) => ({ sample: 1, output: -noise }),
    toNoise: ({ signal }, factor = 1) => ({ sample: factor, output: factor * signal }),
    target: () => ({ clean: -1, noise: 1 }),
  },
};

/** The weighted sum as a tensor. */
export function estimate(weights: EstimateWeights, sample: FloatTensor, output: FloatTensor): FloatTensor {
  if (weights.sample === 0 && weights.output === 1) return output;
  return weightedSum([weights.sample, sample], [weights.output, output]);
}
