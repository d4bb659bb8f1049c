/** @file The training loop of SoftREPA (arXiv 2503.08250, algorithm 1), for any objective. */

import { type Abortable, InterruptedError, RuntimeFailure } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { Augmentation } from "../data/augmentation.js";
import type { ImagePool } from "../data/mixture.js";
import { pairsPerGroup } from "../objectives/candidates.js";
import { defaultPlan, type ExecutionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { AdamW } from "./adamw.js";
import { BatchSampler } from "./batches.js";
import { EncodedData } from "./encoded-data.js";
import type { LatentsCache } from "./latents-cache/latents-cache.js";
import { cosineRestarts } from "./learning-rate.js";
import type { TrainingState } from "./training-state.js";
import { TrainingStep } from "./training-step.js";
import { UpcomingBatches } from "./upcoming-batches.js";

export interface TrainSettings {
  /** Images per batch. */
  readonly batch: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Scheduler steps per cosine period. */
  readonly restartPeriod: number;
  /** Training steps per scheduler step. */
  readonly schedulerEvery: number;
  readonly minimumLearningRate: number;
  readonly seed: number;
  /** Image size in pixels. */
  readonly resolution: number;
  /** Random crops and flips (default: none). */
  readonly augmentation?: Augmentation;
  /** How the graph is executed; missing fields come from `defaultPlan`. */
  readonly plan?: Partial<ExecutionPlan>;
  /** Bytes of encodings cached in memory (default 2 GiB). */
  readonly cacheBytes?: number | undefined;
  /** Batches that are encoded ahead of training (default: as many as fit into the cache, up to 256). */
  readonly captionWindow?: number | undefined;
  /** A cache of latents on disk across runs; with it, latents are rounded to float16. */
  readonly latentsCache?: LatentsCache | undefined;
}

/** The results of one step. */
export interface TrainStep {
  readonly step: number;
  readonly loss: number;
  /** Share of images whose matched caption has the smallest error; null if captions are not compared. */
  readonly rank1: number | null;
  readonly learningRate: number;
  readonly timestep: number;
}

export interface TrainHooks {
  /** Called once, after the first batch is read and encoded. */
  readonly onStart?: () => void | Promise<void>;
  /** `state` allows a later call to resume after this step; it is valid until the next step. */
  readonly onStep?: (step: TrainStep, state: TrainingState) => void | Promise<void>;
  readonly onTruncated?: (prompt: TruncatedPrompt) => void;
  /** Progress of encoding the captions and images of a window. */
  readonly onEncoded?: (done: number, total: number) => void;
}

/** If the signal is aborted, training finishes the current step and returns. */
export interface TrainRequest extends TrainSettings, TrainHooks, Abortable {
  /** The images of one or more data sets (`mixPools`). */
  readonly pools: readonly ImagePool[];
  /** Trained in place. */
  readonly softTokens: SoftTokens;
  /** `softRepa`, `scoreMatching`, or a custom objective. */
  readonly objective: Objective;
  /** The state of an earlier call to resume from. */
  readonly from?: TrainingState | undefined;
}

/**
 * Trains soft tokens in place, and returns the number of finished steps.
 *
 * A call with the state and the tokens of an earlier call resumes it. On the CPU the result is bit-identical to that of an
 * uninterrupted call with the same data, settings, objective, plan and number of threads.
 *
 * @throws RuntimeFailure if a loss or gradient is not finite; the tokens are then those of the previous step
 */
export async function train(pipeline: DiffusionPipeline, options: TrainRequest): Promise<number> {
  const { pools, softTokens, objective, from, signal, ...settings } = options;
  const { batch, resolution, learningRate, weightDecay, seed, augmentation, onTruncated = () => {} } = settings;
  const random = from === undefined ? new Generator(seed) : Generator.fromState(from.random);
  const sampled = new BatchSampler(pools, { size: batch, seed, ...(augmentation && { augmentation }) }, from?.sampler);
  const sampler = new UpcomingBatches(sampled);
  const { captionWindow: window, latentsCache, cacheBytes: limit } = settings;
  const data = new EncodedData(pipeline, { resolution, onTruncated, window, latentsCache, limit });
  const side = resolution / pipeline.vaeScaleFactor;
  const latentShape = [pipeline.latentChannels, side, side];
  const plan = defaultPlan(pipeline, latentShape, pairsPerGroup(objective.candidates, batch), settings.plan);

  const embedding = await SoftTokenEmbedding.open(pipeline, softTokens);
  const trainingStep = await TrainingStep.open(pipeline, embedding, objective, { latentShape, plan });
  const adamw = { weightDecay, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  const tokenOptimizer = new AdamW(softTokens.tokens.data, adamw, from?.tokens);
  const tableOptimizer = softTokens.timeTable && new AdamW(softTokens.timeTable.data, adamw, from?.timeTable);
  const schedule = { learningRate, period: settings.restartPeriod, minimum: settings.minimumLearningRate };

  let done = from?.step ?? 0;
  const state = (): TrainingState => ({
    step: done,
    tokens: tokenOptimizer.state(),
    timeTable: tableOptimizer?.state(),
    random: random.state(),
    sampler: sampler.state(),
  });
  try {
    let prepared = 0;
    for (let started = false; done < settings.steps && !signal?.aborted; started = true) {
      if (prepared-- === 0) {
        const remaining = settings.steps - done;
        const upcoming = (limit: number) => sampler.peek(Math.min(limit, remaining));
        // Encoding a window may take long; a stop request ends it like a stop between two steps.
        const window = await nullIfInterrupted(data.prepare(upcoming, { signal, onProgress: settings.onEncoded }));
        if (window === null) break;
        prepared = window - 1;
      }
      const pairs = sampler.next();
      const { latents, conditioning } = await data.encode(pairs);
      if (!started) await settings.onStart?.();
      const timestep = random.integer(pipeline.scheduler.trainTimesteps);
      const noise = random.normal([1, ...latentShape]);
      const rows = objective.candidates.rows(batch, random);

      const { loss, rank1, gradients } = await trainingStep.run({ latents, conditioning, noise, timestep, rows });
      const invalid =
        firstNonFinite([loss]) ??
        firstNonFinite(gradients.tokens.data) ??
        firstNonFinite(gradients.timeTable?.data ?? []);
      if (invalid !== undefined) {
        const names = pairs.map(({ image }) => image.id).join(", ");
        const what = Number.isFinite(loss) ? "a gradient" : "the loss";
        throw new RuntimeFailure(
          `${what} became ${invalid} at step ${done + 1} (timestep ${timestep}, images ${names})`,
        );
      }

      const rate = cosineRestarts(schedule, Math.floor(done / settings.schedulerEvery));
      tokenOptimizer.step(gradients.tokens.data, rate);
      if (gradients.timeTable) tableOptimizer?.step(gradients.timeTable.data, rate);
      done++;
      await settings.onStep?.({ step: done, loss, rank1, learningRate: rate, timestep }, state());
    }
  } finally {
    await trainingStep.release();
    await embedding.release();
  }
  return done;
}

async function nullIfInterrupted<T>(work: Promise<T>): Promise<T | null> {
  return work.catch((error: unknown) => {
    if (error instanceof InterruptedError) return null;
    throw error;
  });
}

function firstNonFinite(values: Float32Array | readonly number[]): number | undefined {
  for (const value of values) if (!Number.isFinite(value)) return value;
  return undefined;
}
