/** @file The interface of training objectives: candidate captions per image, and the loss of their denoising errors. */

import type { FloatTensor } from "../core/tensor.js";
import type { Candidates } from "./candidates.js";

/** The loss of one row of errors and its derivatives. */
export interface RowLoss {
  readonly loss: number;
  /** The image's similarity to each candidate, if the objective defines one. */
  readonly logits?: readonly number[];
  /** d loss / d error of each candidate. */
  readonly cotangents: readonly number[];
}

/** The denoiser's predictions for the pairs of a row with the current soft tokens. */
export interface RowPredictions {
  /** One per candidate, [pairs, channels, h, w]. */
  readonly predictions: FloatTensor;
  /** The denoiser's own target for the image, [1, channels, h, w]. */
  readonly target: FloatTensor;
  /** Index of the matched caption among the candidates. */
  readonly matched: number;
}

/** Training minimises the mean of `row` over the images of a batch. Rows are independent. */
export interface Objective {
  readonly name: string;
  readonly candidates: Candidates;
  /**
   * Computes the targets of a row, [pairs, channels, h, w], e.g. shifted predictions (arXiv 2605.30038); no gradients flow through
   * them. Costs one forward pass per pair. By default, the target is the denoiser's own for the image.
   */
  readonly targets?: (row: RowPredictions) => FloatTensor;
  /** `errors` are mean squared errors, one per candidate; `matched` is the index of the matched caption. */
  readonly row: (errors: readonly number[], matched: number) => RowLoss;
}
