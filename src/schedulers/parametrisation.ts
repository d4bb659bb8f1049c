/**
 * @file What a model predicts. The sample and the target are both linear in the clean sample x_0 and the noise eps, so x_0 and
 * eps are linear in the sample and the model's output.
 */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import { weightedSum } from "./weighted-sum.js";

export type PredictionType = "epsilon" | "v_prediction" | "sample" | "flow";

/** The weights of the sample and the model's output in a sum. */
export interface EstimateWeights {
  readonly sample: number;
  readonly output: number;
}

export interface Parametrisation {
  /** The estimate of x_0 at a level. */
  toClean(level: NoiseLevel): EstimateWeights;
  /** The estimate of eps at a level, multiplied by `times` (default 1). */
  toNoise(level: NoiseLevel, times?: number): EstimateWeights;
  /** The weights of x_0 and eps in what the model is trained to predict at a level. */
  target(level: NoiseLevel): { readonly clean: number; readonly noise: number };
}

export const parametrisations: Readonly<Record<PredictionType, Parametrisation>> = {
  /** eps itself (arXiv 2006.11239). */
  epsilon: {
    toClean: ({ signal, noise }) => ({ sample: 1 / signal, output: -noise / signal }),
    toNoise: (_, times = 1) => ({ sample: 0, output: times }),
    target: () => ({ clean: 0, noise: 1 }),
  },
  /** v = signal eps - noise x_0 of samples of variance 1 (arXiv 2202.00512). */
  v_prediction: {
    toClean: ({ signal, noise, variance }) => ({ sample: signal / variance, output: -noise / Math.sqrt(variance) }),
    toNoise: ({ signal, noise, variance }, times = 1) => ({
      sample: (times * noise) / variance,
      output: (times * signal) / Math.sqrt(variance),
    }),
    target: ({ signal, noise, variance }) => ({
      clean: -noise / Math.sqrt(variance),
      noise: signal / Math.sqrt(variance),
    }),
  },
  /** x_0 itself. */
  sample: {
    toClean: () => ({ sample: 0, output: 1 }),
    toNoise: ({ signal, noise }, times = 1) => ({ sample: times / noise, output: (-times * signal) / noise }),
    target: () => ({ clean: 1, noise: 0 }),
  },
  /** The velocity eps - x_0 of samples (1 - s) x_0 + s eps (arXiv 2209.03003). */
  flow: {
    toClean: ({ noise }) => ({ sample: 1, output: -noise }),
    toNoise: ({ signal }, times = 1) => ({ sample: times, output: times * signal }),
    target: () => ({ clean: -1, noise: 1 }),
  },
};

/** The estimate as a tensor. */
export function estimate({ sample, output }: EstimateWeights, x: FloatTensor, prediction: FloatTensor): FloatTensor {
  if (sample === 0 && output === 1) return prediction;
  return weightedSum([sample, x], [output, prediction]);
}
