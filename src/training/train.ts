/** @file The training loop: SoftREPA's (arXiv 2503.08250, algorithm 1), with any objective. */

import { InterruptedError, RuntimeFailure, stopIfAsked } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { CaptionedImage } from "../data/image-folder.js";
import { defaultChunk } from "../objectives/chunk.js";
import type { TrainingObjective } from "../objectives/objective.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { AdamW } from "./adamw.js";
import { BatchSampler } from "./batches.js";
import { EncodedData } from "./encoded-data.js";
import { cosineRestarts } from "./learning-rate.js";
import { openTrainingStep } from "./training-step.js";

export interface TrainSettings {
  /** Images a batch, B. */
  readonly batch: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Scheduler steps of a cosine period, training steps of a scheduler step, and the floor. */
  readonly restartPeriod: number;
  readonly schedulerEvery: number;
  readonly minimumLearningRate: number;
  readonly seed: number;
  /** Pixels a side. */
  readonly resolution: number;
  /** Pairs a run of the graph; undefined picks by size. */
  readonly chunk: number | undefined;
}

/** What a finished step tells. */
export interface TrainStep {
  readonly step: number;
  readonly loss: number;
  /** Share of captions ranked first; null where none is compared with others. */
  readonly rank1: number | null;
  readonly learningRate: number;
  readonly timestep: number;
}

export interface TrainHooks {
  readonly signal?: AbortSignal;
  readonly onStep?: (step: TrainStep) => void | Promise<void>;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

/**
 * Trains `softTokens` in place and returns the number of finished steps. Only the tokens change. After an interruption
 * the tokens are those of the last finished step.
 */
export async function train(
  pipeline: DiffusionPipeline,
  items: readonly CaptionedImage[],
  softTokens: SoftTokens,
  objective: TrainingObjective,
  settings: TrainSettings,
  hooks: TrainHooks = {},
): Promise<number> {
  const { batch, resolution, learningRate, weightDecay } = settings;
  const { signal } = hooks;
  const beforeRun = () => stopIfAsked(signal);
  const random = new Generator(settings.seed);
  const sampler = new BatchSampler(items, batch, random);
  const data = new EncodedData(pipeline, resolution, hooks.onTruncated ?? (() => {}));
  const side = resolution / pipeline.latentScale;
  const latentShape = [pipeline.latentChannels, side, side];
  const chunk = settings.chunk ?? defaultChunk(batch, pipeline.tokensAPair(latentShape));

  const embedding = await SoftTokenEmbedding.open(pipeline, softTokens);
  const trainingStep = await openTrainingStep(pipeline, embedding, objective, { latentShape, chunk });
  const adamw = { weightDecay, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  const tokenOptimizer = new AdamW(softTokens.tokens.data, adamw);
  const tableOptimizer = softTokens.timeTable && new AdamW(softTokens.timeTable.data, adamw);
  const schedule = { learningRate, period: settings.restartPeriod, minimum: settings.minimumLearningRate };

  let done = 0;
  try {
    while (done < settings.steps) {
      beforeRun();
      const pairs = sampler.next();
      const { latents, conditioning } = await data.encode(pairs, beforeRun);
      const timestep = random.integer(pipeline.scheduler.trainTimesteps);
      const noise = random.normal([1, ...latentShape]);

      const { loss, rank1, gradients } = await trainingStep.run({ latents, conditioning, noise, timestep }, beforeRun);
      if (!Number.isFinite(loss)) {
        const names = pairs.map(({ file }) => file).join(", ");
        throw new RuntimeFailure(`the loss became ${loss} at step ${done + 1} (timestep ${timestep}, images ${names})`);
      }

      const rate = cosineRestarts(schedule, Math.floor(done / settings.schedulerEvery));
      tokenOptimizer.step(gradients.tokens.data, rate);
      if (gradients.timeTable) tableOptimizer?.step(gradients.timeTable.data, rate);
      done++;
      await hooks.onStep?.({ step: done, loss, rank1, learningRate: rate, timestep });
    }
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
  } finally {
    await trainingStep.release();
    await embedding.release();
  }
  return done;
}
