/** @file The candidate captions of each image of a batch: the rows of the error matrix. */

import { UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";

/** An image and the captions that it is denoised with, as indices into the batch. */
export interface CandidateRow {
  readonly image: number;
  readonly captions: readonly number[];
  /** Position of the matched caption in `captions`. */
  readonly matched: number;
}

export interface Candidates {
  /** Captions per image, or "batch" for all captions of the batch. A smaller batch gives fewer. */
  readonly perImage: number | "batch";
  /** One row per image; random choices come from `random`. */
  readonly rows: (batch: number, random: Generator) => CandidateRow[];
}

/**
 * All captions of the batch, or the matched one and `negatives` others sampled at random (all others if there are fewer).
 *
 * @throws UsageError if `negatives` is not a positive integer
 */
export function inBatch(negatives?: number): Candidates {
  if (negatives === undefined) return { perImage: "batch", rows: fullMatrix };
  if (!Number.isInteger(negatives) || negatives < 1)
    throw new UsageError(
      `inBatch: the number of mismatched captions must be an integer of at least 1, not ${negatives}`,
    );
  const rows = (batch: number, random: Generator) =>
    indices(batch).map((image) => {
      const others = indices(batch).filter((caption) => caption !== image);
      return { image, captions: [image, ...random.shuffle(others).slice(0, negatives)], matched: 0 };
    });
  return { perImage: negatives + 1, rows };
}

/** Only the matched caption of each image. */
export function matchedCaption(): Candidates {
  return { perImage: 1, rows: (batch) => indices(batch).map((image) => ({ image, captions: [image], matched: 0 })) };
}

/** The rows of the full matrix: every image with all captions of the batch. */
export function fullMatrix(batch: number): CandidateRow[] {
  return indices(batch).map((image) => ({ image, captions: indices(batch), matched: image }));
}

/** Image-caption pairs per row. */
export function pairsPerRow({ perImage }: Candidates, batch: number): number {
  return perImage === "batch" ? batch : Math.min(perImage, batch);
}

/** Whether the pairs of a run share one image (rows with several captions) or each has its own (rows with one caption). */
export function imageSharing({ perImage }: Candidates): "shared" | "each" {
  return perImage === 1 ? "each" : "shared";
}

/** Pairs of a group, which is divided into runs: a row, or the whole batch if rows have one caption. */
export function pairsPerGroup(candidates: Candidates, batch: number): number {
  return imageSharing(candidates) === "each" ? batch : pairsPerRow(candidates, batch);
}

/** Runs of the graph per training step. */
export function runsPerStep(candidates: Candidates, batch: number, pairsPerRun: number): number {
  const groups = imageSharing(candidates) === "each" ? 1 : batch;
  return groups * Math.ceil(pairsPerGroup(candidates, batch) / pairsPerRun);
}

function indices(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
