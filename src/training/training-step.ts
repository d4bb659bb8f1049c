/** @file Loss and gradients of one batch for any objective. */

import type { Abortable } from "../core/errors.js";
import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import { type CandidateRow, imageSharing } from "../objectives/candidates.js";
import { ErrorEvaluator } from "../objectives/error-evaluator.js";
import type { ExecutionPlan } from "../objectives/execution-plan.js";
import type { Objective, RowLoss } from "../objectives/objective.js";
import type { Conditioning, Denoiser } from "../pipelines/pipeline.js";
import type { SoftTokenEmbedding, SoftTokenGradients } from "../softtokens/embedding.js";

export interface TrainingBatch {
  /** [B, channels, h, w]. */
  readonly latents: FloatTensor;
  /** B captions; caption i belongs to image i. */
  readonly conditioning: Conditioning;
  /** Shared by all images, [1, channels, h, w]. */
  readonly noise: FloatTensor;
  /** Shared by all images, 0..999. */
  readonly timestep: number;
  /** The candidate captions of each image. */
  readonly rows: readonly CandidateRow[];
}

/** A row of the batch with its errors, one per candidate, and its loss. */
export interface StepRow extends CandidateRow, RowLoss {
  readonly errors: readonly number[];
}

export interface TrainingResult {
  /** Mean over images. */
  readonly loss: number;
  /** Share of images whose matched caption has the smallest error; null if captions are not compared. */
  readonly rank1: number | null;
  readonly rows: readonly StepRow[];
  readonly gradients: SoftTokenGradients;
}

export interface StepSizes {
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  readonly plan: ExecutionPlan;
}

/** Compiled for one latent shape and plan; accepts any batch size. */
export class TrainingStep {
  private constructor(
    private readonly embedding: SoftTokenEmbedding,
    private readonly objective: Objective,
    private readonly evaluator: ErrorEvaluator<CandidateRow>,
  ) {}

  static async open(
    denoiser: Denoiser,
    embedding: SoftTokenEmbedding,
    objective: Objective,
    { latentShape, plan }: StepSizes,
  ): Promise<TrainingStep> {
    const { targets, candidates } = objective;
    const evaluator = await ErrorEvaluator.open<CandidateRow>(denoiser, {
      plan,
      latentShape,
      images: imageSharing(candidates),
      softTokens: embedding.form,
      gradients: true,
      targets: targets && (({ matched }, predictions, target) => targets({ predictions, target, matched })),
    });
    return new TrainingStep(embedding, objective, evaluator);
  }

  /** @throws InterruptedError before the next run of the graph if the signal is aborted */
  async run({ rows: candidates, ...batch }: TrainingBatch, options: Abortable = {}): Promise<TrainingResult> {
    const softTokens = await this.embedding.at(batch.timestep);
    const total = new Float64Array(softTokens.data.length);
    const rows: StepRow[] = [];
    let loss = 0;
    for await (const row of this.evaluator.rows({ ...batch, softTokens }, candidates, options)) {
      const { gradients, ...errors } = row;
      const rowLoss = this.objective.row(row.errors, row.matched);
      // The exact gradient of the row: the sum of the pairs' gradients, weighted by d loss / d error.
      for (const [pair, gradient] of gradients.entries()) {
        const weight = at(rowLoss.cotangents, pair);
        for (let i = 0; i < total.length; i++) {
          total[i] = (total[i] ?? 0) + (weight * (gradient[i] ?? 0)) / candidates.length;
        }
      }
      loss += rowLoss.loss / candidates.length;
      rows.push({ ...errors, ...rowLoss });
    }
    const cotangent = floatTensor(softTokens.shape, Float32Array.from(total));
    const gradients = await this.embedding.gradients(batch.timestep, cotangent);
    return { loss, rank1: rank1(rows), rows, gradients };
  }

  release(): Promise<void> {
    return this.evaluator.release();
  }
}

function rank1(rows: readonly StepRow[]): number | null {
  if (rows.every(({ errors }) => errors.length === 1)) return null;
  return rows.filter(({ errors, matched }) => errors[matched] === Math.min(...errors)).length / rows.length;
}
