/** @file An objective: which captions stand against an image, and the loss of the errors that the denoiser makes under them. */

import type { FloatTensor } from "../core/tensor.js";
import type { Candidates } from "./candidates.js";

/** The loss of one row of errors, and its derivatives. */
export interface RowLoss {
  readonly loss: number;
  /** The image's similarity to each candidate, where the objective has such numbers. */
  readonly logits?: readonly number[];
  /** d loss / d error of each candidate. */
  readonly cotangents: readonly number[];
}

/** What the denoiser predicts for the pairs of a row, with the soft tokens as they are. */
export interface RowPredictions {
  /** One per candidate, [pairs, channels, h, w]. */
  readonly predictions: FloatTensor;
  /** The denoiser's own target for the image, [1, channels, h, w]. */
  readonly target: FloatTensor;
  /** Which candidate is the image's own caption. */
  readonly own: number;
}

/** What training minimises: the mean of `row` over the images of a batch. Rows never depend on one another. */
export interface Objective {
  readonly name: string;
  readonly candidates: Candidates;
  /**
   * Targets of the pairs of a row, [pairs, channels, h, w], as in regression towards shifted predictions (arXiv 2605.30038). Gradients
   * do not go through them. They cost a forward pass of every pair; without them errors are against the denoiser's own target.
   */
  readonly targets?: (row: RowPredictions) => FloatTensor;
  /** `errors` are mean squared errors, one per candidate; `own` is the index of the image's own caption. */
  readonly row: (errors: readonly number[], own: number) => RowLoss;
}
