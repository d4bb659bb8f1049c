/** @file Which captions of a batch stand against each of its images: the rows of the error matrix. */

import { UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";

/** An image and the captions that it is denoised under; all are indices in the batch. */
export interface CandidateRow {
  readonly image: number;
  readonly captions: readonly number[];
  /** Position of the image's own caption in `captions`. */
  readonly own: number;
}

export interface Candidates {
  /** Captions per image; "batch" for all of the batch. Of a small batch there may be fewer. */
  readonly perImage: number | "batch";
  /** One row per image of a batch; what is drawn comes from `random`. */
  readonly rows: (batch: number, random: Generator) => CandidateRow[];
}

/** All captions of the batch, or the own one and `drawn` others of it that are drawn at random (all others where there are no more). */
export function inBatch(drawn?: number): Candidates {
  if (drawn === undefined) return { perImage: "batch", rows: wholeRows };
  if (!Number.isInteger(drawn) || drawn < 1)
    throw new UsageError(`inBatch draws a whole number of captions, 1 or more, got ${drawn}`);
  const rows = (batch: number, random: Generator) =>
    indices(batch).map((image) => {
      const others = indices(batch).filter((caption) => caption !== image);
      return { image, captions: [image, ...random.shuffle(others).slice(0, drawn)], own: 0 };
    });
  return { perImage: drawn + 1, rows };
}

/** The image's own caption alone. */
export function ownCaption(): Candidates {
  return { perImage: 1, rows: (batch) => indices(batch).map((image) => ({ image, captions: [image], own: 0 })) };
}

/** Every image with all captions of a batch. */
export function wholeRows(batch: number): CandidateRow[] {
  return indices(batch).map((image) => ({ image, captions: indices(batch), own: image }));
}

/** Image-caption pairs of a row. */
export function pairsPerRow({ perImage }: Candidates, batch: number): number {
  return perImage === "batch" ? batch : Math.min(perImage, batch);
}

/** How pairs share runs of the graph: those of a row share their image; rows of single pairs run together, each with its image. */
export function imagesOfRuns({ perImage }: Candidates): "shared" | "each" {
  return perImage === 1 ? "each" : "shared";
}

/** Pairs that are divided into runs together: those of a row, or, where rows are single pairs, of the batch. */
export function pairsTogether(candidates: Candidates, batch: number): number {
  return imagesOfRuns(candidates) === "each" ? batch : pairsPerRow(candidates, batch);
}

/** Runs of the graph per step. */
export function runsPerStep(candidates: Candidates, batch: number, pairsPerRun: number): number {
  const groups = imagesOfRuns(candidates) === "each" ? 1 : batch;
  return groups * Math.ceil(pairsTogether(candidates, batch) / pairsPerRun);
}

function indices(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
