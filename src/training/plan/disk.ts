/** @file Estimates the disk space of a training run. */

/** In bytes. */
export interface DiskPlan {
  readonly checkpoints: number;
  readonly samples: number;
  readonly latentsCache: number;
  readonly total: number;
}

export interface DiskSizes {
  readonly steps: number;
  /** Number of trained values. */
  readonly parameters: number;
  /** Steps between checkpoints; 0 for one at the end only. */
  readonly saveEvery: number;
  /** Checkpoints to keep; 0 for all. */
  readonly keepLast: number;
  /** Whether the best checkpoint is kept in addition. */
  readonly best: boolean;
  /** Maximum bytes of cached latents. */
  readonly latentsCache: number;
  readonly samples: { readonly prompts: number; readonly every: number; readonly size: number } | null;
}

/** Bytes of the text files of a checkpoint; the rest is the tokens and two moments of each value. */
const checkpointText = 20e3;

/** The worst case: noise, which samples of early steps may be. */
const pngBytesPerPixel = 3;

/** The peak: while a checkpoint is written, the one that it replaces still exists. */
export function planDisk({ steps, parameters, saveEvery, keepLast, best, latentsCache, samples }: DiskSizes): DiskPlan {
  const saved = saveEvery === 0 ? 1 : Math.ceil(steps / saveEvery);
  const kept = keepLast === 0 ? saved : Math.min(saved, keepLast + (best ? 1 : 0) + 1);
  // The final tokens are stored in addition.
  const checkpoints = kept * (12 * parameters + checkpointText) + 4 * parameters;
  const images = samples === null ? 0 : samples.prompts * (1 + Math.ceil(steps / samples.every));
  const sampleBytes = samples === null ? 0 : images * samples.size ** 2 * pngBytesPerPixel;
  return { checkpoints, samples: sampleBytes, latentsCache, total: checkpoints + sampleBytes + latentsCache };
}
