/** @file How many image-caption pairs go through the denoiser together. */

import type { Precision } from "../runtime/engine.js";

/**
 * Tokens that one run should hold: enough to keep the processor's products large, few enough to keep memory small. In bf16
 * products are so fast that reading the weights for them counts: a row of four of SD3's takes 8% less as one run than as two.
 */
const tokensARun: Readonly<Record<Precision, number>> = { fp32: 4096, bf16: 8192 };

/** Pairs a run when the user does not say: as even a division of the batch as `tokensARun` allows. */
export function defaultChunk(batch: number, tokensAPair: number, precision: Precision): number {
  const most = Math.max(1, Math.floor(tokensARun[precision] / tokensAPair));
  return Math.ceil(batch / Math.ceil(batch / most));
}
