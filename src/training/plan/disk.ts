/** @file How much disk a training run will take. */

/** Bytes. */
export interface DiskPlan {
  readonly checkpoints: number;
  readonly samples: number;
  readonly latentsCache: number;
  readonly total: number;
}

export interface DiskSizes {
  readonly steps: number;
  /** Trained numbers. */
  readonly parameters: number;
  /** As `saveEvery` (0: at the end only) and `keepLast` (0: all). */
  readonly saveEvery: number;
  readonly keepLast: number;
  /** Whether one more may stay, as the best. */
  readonly best: boolean;
  /** Bytes of latents that are kept there, at most. */
  readonly latentsCache: number;
  readonly samples: { readonly prompts: number; readonly every: number; readonly size: number } | null;
}

/** A checkpoint has the tokens and two moments of each number; the rest of it is text. */
const checkpointText = 20e3;

/** Bytes a pixel of a PNG of a picture; noise, as samples of the first steps may be, takes all three. */
const pngBytesAPixel = 3;

/** At its largest: while a checkpoint is written, the one that it drives out is still there. */
export function planDisk({ steps, parameters, saveEvery, keepLast, best, latentsCache, samples }: DiskSizes): DiskPlan {
  const made = saveEvery === 0 ? 1 : Math.ceil(steps / saveEvery);
  const kept = keepLast === 0 ? made : Math.min(made, keepLast + (best ? 1 : 0) + 1);
  // The final tokens lie beside the checkpoints.
  const checkpoints = kept * (12 * parameters + checkpointText) + 4 * parameters;
  const drawn = samples === null ? 0 : samples.prompts * (1 + Math.ceil(steps / samples.every));
  const pictures = samples === null ? 0 : drawn * samples.size ** 2 * pngBytesAPixel;
  return { checkpoints, samples: pictures, latentsCache, total: checkpoints + pictures + latentsCache };
}
