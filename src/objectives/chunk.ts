/** @file How many image-caption pairs go through the denoiser together. */

/** Tokens that one run should hold: enough to keep the processor's products large, few enough to keep memory small. */
const tokensARun = 4096;

/** Pairs a run when the user does not say: as even a division of the batch as `tokensARun` allows. */
export function defaultChunk(batch: number, tokensAPair: number): number {
  const most = Math.max(1, Math.floor(tokensARun / tokensAPair));
  return Math.ceil(batch / Math.ceil(batch / most));
}
