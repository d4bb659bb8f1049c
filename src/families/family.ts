/** @file The record of a model family: everything that is specific to one family. */

import type { LatentPipelineParts } from "../pipelines/latent-pipeline.js";
import type { FamilyIdentity } from "../pipelines/pipeline.js";
import type { PipelineSource } from "../pipelines/pipeline-source.js";
import type { SingleFileLayout } from "../pipelines/single-file-layout.js";

export interface Family extends FamilyIdentity {
  /** Its name in messages, e.g. Stable Diffusion 1.5. */
  readonly title: string;
  /** The pipeline class in model_index.json. */
  readonly className: string;
  /** Opens the components of a pipeline. */
  open(source: PipelineSource): Promise<LatentPipelineParts>;
  /** The layout of its single-file checkpoints; null if there are none. */
  readonly singleFile: SingleFileLayout | null;
  /** Training settings of the SoftREPA paper for this family, beyond `defaults`; null if the paper did not train it. */
  readonly paper: PaperSettings | null;
}

/** Settings of the SoftREPA paper (arXiv 2503.08250) that are not defaults here. */
export interface PaperSettings {
  /** Rows of the time table; 0 for none. */
  readonly buckets: number;
  /** Epochs over COCO's 2017 training images, in batches of 4. */
  readonly epochs: number;
}
