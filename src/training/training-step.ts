/** @file Loss and gradients of one batch, whatever the objective: its rows of denoising errors, a few pairs at a time. */

import type { Stoppable } from "../core/errors.js";
import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import { type CandidateRow, imagesOfRuns } from "../objectives/candidates.js";
import { ErrorEvaluator } from "../objectives/error-evaluator.js";
import type { ExecutionPlan } from "../objectives/execution-plan.js";
import type { Objective, RowLoss } from "../objectives/objective.js";
import type { Conditioning, Denoiser } from "../pipelines/pipeline.js";
import type { SoftTokenEmbedding, SoftTokenGradients } from "../softtokens/embedding.js";

export interface TrainingBatch {
  /** [B, channels, h, w]. */
  readonly latents: FloatTensor;
  /** B texts; text i belongs to image i. */
  readonly conditioning: Conditioning;
  /** One noise for all images, [1, channels, h, w]. */
  readonly noise: FloatTensor;
  /** One timestep for all images, 0..999. */
  readonly timestep: number;
  /** The objective's candidates for each image. */
  readonly rows: readonly CandidateRow[];
}

/** A row of the batch with its errors, one per caption, and what the objective makes of them. */
export interface StepRow extends CandidateRow, RowLoss {
  readonly errors: readonly number[];
}

export interface TrainingResult {
  /** Mean over images. */
  readonly loss: number;
  /** Share of images whose own caption has the smallest error; null where none is compared with others. */
  readonly rank1: number | null;
  readonly rows: readonly StepRow[];
  readonly gradients: SoftTokenGradients;
}

export interface StepSizes {
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  readonly plan: ExecutionPlan;
}

/** Compiled for a latent size and a plan; works for any batch size. */
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
      images: imagesOfRuns(candidates),
      softTokens: embedding.form,
      gradients: true,
      targets: targets && (({ own }, predictions, target) => targets({ predictions, target, own })),
    });
    return new TrainingStep(embedding, objective, evaluator);
  }

  /** @throws InterruptedError before the next run of the graph where the signal is aborted */
  async run({ rows: candidates, ...batch }: TrainingBatch, options: Stoppable = {}): Promise<TrainingResult> {
    const softTokens = await this.embedding.at(batch.timestep);
    const total = new Float64Array(softTokens.data.length);
    const rows: StepRow[] = [];
    let loss = 0;
    for await (const row of this.evaluator.rows({ ...batch, softTokens }, candidates, options)) {
      const { gradients, ...told } = row;
      const judged = this.objective.row(row.errors, row.own);
      // The exact gradient of the row: that of every pair, weighted by d loss / d error.
      for (const [pair, gradient] of gradients.entries()) {
        const weight = at(judged.cotangents, pair);
        for (let i = 0; i < total.length; i++) {
          total[i] = (total[i] ?? 0) + (weight * (gradient[i] ?? 0)) / candidates.length;
        }
      }
      loss += judged.loss / candidates.length;
      rows.push({ ...told, ...judged });
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
  return rows.filter(({ errors, own }) => errors[own] === Math.min(...errors)).length / rows.length;
}
