/** @file Loss and gradients of one batch: B x B denoising errors, row by row, a few pairs at a time. */

import type { Stoppable } from "../core/errors.js";
import { floatTensor, rows } from "../core/tensor.js";
import { errorRow } from "../objectives/error-row.js";
import type { Objective } from "../objectives/objective.js";
import { compilePairErrors, type PairErrors } from "../objectives/pair-errors.js";
import type { Denoiser } from "../pipelines/pipeline.js";
import { noisySample } from "../schedulers/index.js";
import type { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { StepSizes, TrainingBatch, TrainingResult, TrainingStep } from "./training-step.js";

export interface ContrastiveResult extends TrainingResult {
  /** errors[image][text]. */
  readonly errors: readonly (readonly number[])[];
  readonly logits: readonly (readonly number[])[];
  readonly rank1: number;
}

/** Compiled for a latent size and a number of pairs a run; works for any batch size. */
export class ContrastiveStep implements TrainingStep {
  private constructor(
    private readonly pipeline: Denoiser,
    private readonly embedding: SoftTokenEmbedding,
    private readonly objective: Objective,
    private readonly pairErrors: PairErrors,
  ) {}

  static async open(
    pipeline: Denoiser,
    embedding: SoftTokenEmbedding,
    objective: Objective,
    options: StepSizes,
  ): Promise<ContrastiveStep> {
    const pairErrors = await compilePairErrors(pipeline, {
      plan: options.plan,
      latentShape: options.latentShape,
      images: "shared",
      softTokens: embedding.form,
      gradients: true,
    });
    return new ContrastiveStep(pipeline, embedding, objective, pairErrors);
  }

  async run(batch: TrainingBatch, options: Stoppable = {}): Promise<ContrastiveResult> {
    const { latents, conditioning, noise, timestep } = batch;
    const images = latents.shape[0];
    const softTokens = await this.embedding.at(timestep);
    const total = new Float64Array(softTokens.data.length);
    const errors: (readonly number[])[] = [];
    const logits: (readonly number[])[] = [];
    let loss = 0;
    for (let image = 0; image < images; image++) {
      const { sample, target } = noisySample(this.pipeline.scheduler, rows(latents, image, image + 1), noise, timestep);
      const row = await errorRow(this.pairErrors, { sample, target, timestep, conditioning, softTokens }, options);
      const judged = this.objective(row.errors, image);
      // The exact gradient of the row: every pair's own, weighted by how much the loss minds its error.
      for (const [text, gradient] of row.gradients.entries()) {
        const weight = judged.cotangents[text] / images;
        for (let i = 0; i < total.length; i++) total[i] += weight * gradient[i];
      }
      loss += judged.loss / images;
      errors.push(row.errors);
      logits.push(judged.logits);
    }
    const cotangent = floatTensor(softTokens.shape, Float32Array.from(total));
    const gradients = await this.embedding.gradients(timestep, cotangent);
    const first = errors.filter((row, image) => row[image] === Math.min(...row)).length;
    return { loss, errors, logits, rank1: first / images, gradients };
  }

  release(): Promise<void> {
    return this.pairErrors.release();
  }
}
