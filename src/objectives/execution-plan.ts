/** @file How a graph of image-caption pairs is executed: one value, passed from the planner down to the graph. */

import type { Shape } from "../core/tensor.js";
import type { Denoiser } from "../pipelines/pipeline.js";
import type { Precision } from "../runtime/engine.js";

/** Results are bit-identical only with the same plan. */
export interface ExecutionPlan {
  /** Image-caption pairs per run of the graph. */
  readonly pairsPerRun: number;
  /** Activation checkpointing: recompute blocks in the backward pass instead of keeping activations. Less memory, more time. */
  readonly checkpoints: boolean;
  /** Copy the denoiser's weights into faster layouts instead of reading them where they are: less time, more memory. */
  readonly repackWeights: boolean;
}

/** The plan with the least memory for the given pairs per run; `overrides` replace its fields. */
export function executionPlan(pairsPerRun: number, overrides: Partial<ExecutionPlan> = {}): ExecutionPlan {
  return { pairsPerRun, checkpoints: true, repackWeights: false, ...overrides };
}

/**
 * Tokens per run: enough for large matrix products, few enough for little memory. In bf16, products are so fast that reading
 * weights matters: a row of four SD3 pairs takes 8% less time as one run than as two.
 */
const tokensPerRun: Readonly<Record<Precision, number>> = { fp32: 4096, bf16: 8192 };

/** The default pairs per run: divides `pairs` evenly into the fewest runs that `tokensPerRun` allows. */
export function defaultPairsPerRun(pairs: number, tokensPerPair: number, precision: Precision): number {
  const maxPairs = Math.max(1, Math.floor(tokensPerRun[precision] / tokensPerPair));
  return Math.ceil(pairs / Math.ceil(pairs / maxPairs));
}

/** The default plan for groups of `pairs` pairs with latents [channels, h, w]; `overrides` replace its fields. */
export function defaultPlan(
  denoiser: Pick<Denoiser, "tokensPerPair" | "engine">,
  latentShape: Shape,
  pairs: number,
  overrides: Partial<ExecutionPlan> = {},
): ExecutionPlan {
  return executionPlan(
    defaultPairsPerRun(pairs, denoiser.tokensPerPair(latentShape), denoiser.engine.precision),
    overrides,
  );
}
