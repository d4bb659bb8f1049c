/** @file How a graph of image-caption pairs is run: one value from the planner down to the graph. */

import type { Shape } from "../core/tensor.js";
import type { Denoiser } from "../pipelines/pipeline.js";
import type { Precision } from "../runtime/engine.js";

/** Results are the same to the bit only under the same plan. */
export interface ExecutionPlan {
  /** Image-caption pairs per run of the graph. */
  readonly pairsPerRun: number;
  /** Compute blocks a second time in the backward pass instead of keeping their activations: less memory, more time. */
  readonly checkpoints: boolean;
  /** Copy the denoiser's weights into faster layouts instead of reading them where they are: less time, more memory. */
  readonly repackWeights: boolean;
}

/** A plan of the given pairs per run that takes the least memory, except where `choices` say otherwise. */
export function executionPlan(pairsPerRun: number, choices: Partial<ExecutionPlan> = {}): ExecutionPlan {
  return { pairsPerRun, checkpoints: true, repackWeights: false, ...choices };
}

/**
 * Tokens that one run should hold: enough to keep the processor's products large, few enough to keep memory small. In bf16
 * products are so fast that reading the weights for them counts: a row of four of SD3's takes 8% less as one run than as two.
 */
const tokensPerRun: Readonly<Record<Precision, number>> = { fp32: 4096, bf16: 8192 };

/** Pairs per run where nothing is said: as even a division of a row of `pairs` as `tokensPerRun` allows. */
export function defaultPairsPerRun(pairs: number, tokensPerPair: number, precision: Precision): number {
  const most = Math.max(1, Math.floor(tokensPerRun[precision] / tokensPerPair));
  return Math.ceil(pairs / Math.ceil(pairs / most));
}

/** The plan for rows of `pairs` texts, each with a latent of `latentShape`, except where `choices` say otherwise. */
export function defaultPlan(
  denoiser: Pick<Denoiser, "tokensPerPair" | "engine">,
  latentShape: Shape,
  pairs: number,
  choices: Partial<ExecutionPlan> = {},
): ExecutionPlan {
  return executionPlan(
    defaultPairsPerRun(pairs, denoiser.tokensPerPair(latentShape), denoiser.engine.precision),
    choices,
  );
}
