/** @file Loss and gradients of one batch, whatever the objective. */

import type { Stoppable } from "../core/errors.js";
import type { FloatTensor, Shape } from "../core/tensor.js";
import type { ExecutionPlan } from "../objectives/execution-plan.js";
import type { TrainingObjective } from "../objectives/objective.js";
import type { Conditioning, Denoiser } from "../pipelines/pipeline.js";
import type { SoftTokenEmbedding, SoftTokenGradients } from "../softtokens/embedding.js";
import { ContrastiveStep } from "./contrastive-step.js";
import { MatchingStep } from "./matching-step.js";

export interface TrainingBatch {
  /** [B, channels, h, w]. */
  readonly latents: FloatTensor;
  /** B texts; text i belongs to image i. */
  readonly conditioning: Conditioning;
  /** One noise for all images, [1, channels, h, w]. */
  readonly noise: FloatTensor;
  /** One timestep for all images, 0..999. */
  readonly timestep: number;
}

export interface TrainingResult {
  /** Mean over images. */
  readonly loss: number;
  /** Share of images whose own text has the smallest error; null where none is compared with others. */
  readonly rank1: number | null;
  readonly gradients: SoftTokenGradients;
}

export interface TrainingStep {
  /** @throws InterruptedError before the next run of the graph where the signal is aborted */
  run(batch: TrainingBatch, options?: Stoppable): Promise<TrainingResult>;
  release(): Promise<void>;
}

export interface StepSizes {
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  readonly plan: ExecutionPlan;
}

export function openTrainingStep(
  pipeline: Denoiser,
  embedding: SoftTokenEmbedding,
  objective: TrainingObjective,
  sizes: StepSizes,
): Promise<TrainingStep> {
  switch (objective.kind) {
    case "contrastive":
      return ContrastiveStep.open(pipeline, embedding, objective.row, sizes);
    case "score-matching":
      return MatchingStep.open(pipeline, embedding, sizes);
  }
}
