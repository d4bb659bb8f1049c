/** @file The SoftREPA objective (arXiv 2503.08250, equations 8 to 10): contrastive learning on denoising errors. */

import type { Objective } from "./objective.js";

export interface SoftRepaSettings {
  /** Softens the errors: logit = scale * exp(-error / temperature). */
  readonly temperature: number;
  readonly scale: number;
  /** Weight of the plain denoising error of the matching pair, added to the loss. */
  readonly dweight: number;
}

/** Row-wise cross-entropy of logits scale * exp(-e / temperature), plus dweight times the own error. */
export function softRepa({ temperature, scale, dweight }: SoftRepaSettings): Objective {
  return (errors, image) => {
    const logits = errors.map((error) => scale * Math.exp(-error / temperature));
    const highest = Math.max(...logits);
    const weights = logits.map((logit) => Math.exp(logit - highest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const cotangents = errors.map((_, column) => {
      const own = column === image ? 1 : 0;
      const towardsLogit = weights[column] / total - own;
      return (towardsLogit * -logits[column]) / temperature + dweight * own;
    });
    const loss = highest + Math.log(total) - logits[image] + dweight * errors[image];
    return { loss, logits, cotangents };
  };
}
