/** @file The record of a model family: all that tells one family from another. */

import type { LatentPipelineParts } from "../pipelines/latent-pipeline.js";
import type { FamilyIdentity } from "../pipelines/pipeline.js";
import type { PipelineSource } from "../pipelines/pipeline-source.js";
import type { SingleFileLayout } from "../pipelines/single-file-layout.js";

export interface Family extends FamilyIdentity {
  /** Its name in messages, e.g. Stable Diffusion 1.5. */
  readonly title: string;
  /** The pipeline's class in model_index.json. */
  readonly className: string;
  /** Reads the components of a pipeline and puts them together. */
  open(source: PipelineSource): Promise<LatentPipelineParts>;
  /** Its checkpoints of the original layout, which are one file; null where there are none. */
  readonly singleFile: SingleFileLayout | null;
  /** How the SoftREPA paper trained this family, beyond `defaults`; null where it did not. */
  readonly paper: PaperSettings | null;
}

/** Settings of the SoftREPA paper (arXiv 2503.08250) that softrepa does not take as defaults. */
export interface PaperSettings {
  /** Rows of the time table; 0 for none. */
  readonly buckets: number;
  /** Of COCO's 2017 training images, in batches of 4. */
  readonly epochs: number;
}
