/** @file What training minimises: a function of one row of the matrix of denoising errors. */

/** The loss of one image and its derivatives. */
export interface RowLoss {
  readonly loss: number;
  /** The image's similarity to each caption. */
  readonly logits: readonly number[];
  /** d loss / d error of each caption. */
  readonly cotangents: readonly number[];
}

/** Judges row `image` of the error matrix, whose own caption is column `image`. Rows never depend on one another. */
export type Objective = (errors: readonly number[], image: number) => RowLoss;

/** What to train by: rows of image-caption pairs against each other, or every image with its own caption alone. */
export type TrainingObjective =
  | { readonly kind: "contrastive"; readonly row: Objective }
  /** Mean denoising error of the own captions: the loss that diffusion models are pre-trained with. */
  | { readonly kind: "score-matching" };
