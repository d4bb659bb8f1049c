/** @file Loss and gradients of one batch under score matching: every image with its own caption, a few pairs at a time. */

import { type Stoppable, stopIfAsked } from "../core/errors.js";
import { concatRows, floatTensor, rows } from "../core/tensor.js";
import { compilePairErrors, type PairErrors } from "../objectives/pair-errors.js";
import { fixedBatches } from "../pipelines/batches.js";
import { pickTexts } from "../pipelines/conditioning.js";
import type { Denoiser } from "../pipelines/pipeline.js";
import { noisySample } from "../schedulers/index.js";
import type { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { StepSizes, TrainingBatch, TrainingResult, TrainingStep } from "./training-step.js";

export class MatchingStep implements TrainingStep {
  private constructor(
    private readonly pipeline: Denoiser,
    private readonly embedding: SoftTokenEmbedding,
    private readonly pairErrors: PairErrors,
  ) {}

  static async open(
    pipeline: Denoiser,
    embedding: SoftTokenEmbedding,
    { latentShape, plan }: StepSizes,
  ): Promise<MatchingStep> {
    const options = {
      plan,
      latentShape,
      images: "each",
      softTokens: embedding.form,
      gradients: true,
    } as const;
    return new MatchingStep(pipeline, embedding, await compilePairErrors(pipeline, options));
  }

  async run(
    { latents, conditioning, noise, timestep }: TrainingBatch,
    { signal }: Stoppable = {},
  ): Promise<TrainingResult> {
    const images = latents.shape[0];
    const softTokens = await this.embedding.at(timestep);
    const { sample, target } = noisySample(this.pipeline.scheduler, latents, noise, timestep);
    const total = new Float64Array(softTokens.data.length);
    const all = Array.from({ length: images }, (_, index) => index);
    let loss = 0;
    for (const { batch, real } of fixedBatches(all, this.pairErrors.pairs)) {
      stopIfAsked(signal);
      const pick = (tensor: typeof latents) => concatRows(batch.map((index) => rows(tensor, index, index + 1)));
      const { errors, gradients } = await this.pairErrors.run({
        sample: pick(sample),
        target: pick(target),
        timestep: floatTensor([1], Float32Array.of(timestep)),
        conditioning: pickTexts(conditioning, batch),
        softTokens,
      });
      for (let row = 0; row < real; row++) {
        loss += errors[row] / images;
        const offset = row * total.length;
        for (let i = 0; i < total.length; i++) total[i] += gradients[offset + i] / images;
      }
    }
    const cotangent = floatTensor(softTokens.shape, Float32Array.from(total));
    return { loss, rank1: null, gradients: await this.embedding.gradients(timestep, cotangent) };
  }

  release(): Promise<void> {
    return this.pairErrors.release();
  }
}
