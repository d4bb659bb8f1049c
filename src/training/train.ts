/** @file The training loop: SoftREPA's (arXiv 2503.08250, algorithm 1), with any objective. */

import { InterruptedError, RuntimeFailure, type Stoppable } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { Augmentation } from "../data/augmentation.js";
import type { ImagePool } from "../data/mixture.js";
import { pairsTogether } from "../objectives/candidates.js";
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
  /** Random crops and mirrored pictures; none without it. */
  readonly augmentation?: Augmentation;
  /** How the graph is run; what is left out follows from the size of a pair (`defaultPlan`). */
  readonly plan?: Partial<ExecutionPlan>;
  /** Most bytes of encodings that are kept in memory (default: that of `EncodedData`). */
  readonly cacheBytes?: number | undefined;
  /** Batches whose captions and images are encoded ahead of training; as many as 2 GiB hold, up to 256, where undefined. */
  readonly captionWindow?: number | undefined;
  /** Where latents are kept between runs; with it they are rounded to float16. */
  readonly latentsCache?: LatentsCache | undefined;
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
  /** Called once, when the first batch could be read and encoded: from here on the data are known to be usable. */
  readonly onStart?: () => void | Promise<void>;
  /** `state` is what a later call needs to go on behind this step; it holds until the next one. */
  readonly onStep?: (step: TrainStep, state: TrainingState) => void | Promise<void>;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
  /** Captions and images of a window that are encoded, of those that are not yet. */
  readonly onEncoded?: (done: number, total: number) => void;
}

/** Where the signal is aborted, the step under way is finished first. */
export interface TrainRequest extends TrainSettings, TrainHooks, Stoppable {
  /** Images of one or several data sets (`mixPools`). */
  readonly pools: readonly ImagePool[];
  /** Trained in place; only they change. */
  readonly softTokens: SoftTokens;
  /** `softRepa`, `scoreMatching`, or an object of one's own. */
  readonly objective: Objective;
  /** The state of an earlier call, to go on from there. */
  readonly from?: TrainingState | undefined;
}

/**
 * Trains soft tokens in place, and returns the number of finished steps.
 *
 * With the state of an earlier call, and the tokens as they were then, it goes on exactly where that one stood: data,
 * settings, objective, plan and threads being the same, the tokens come out the same bit for bit on the CPU.
 *
 * @throws RuntimeFailure where a loss or gradient is not finite any more; the tokens are then those of the step before
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
  const plan = defaultPlan(pipeline, latentShape, pairsTogether(objective.candidates, batch), settings.plan);

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
        const left = settings.steps - done;
        const upcoming = (most: number) => sampler.ahead(Math.min(most, left));
        // A window may take long; what is asked to stop in it ends as it does between two steps.
        const window = await unlessInterrupted(data.prepare(upcoming, { signal, onProgress: settings.onEncoded }));
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
      const bad = notFinite([loss]) ?? notFinite(gradients.tokens.data) ?? notFinite(gradients.timeTable?.data ?? []);
      if (bad !== undefined) {
        const names = pairs.map(({ image }) => image.id).join(", ");
        const what = Number.isFinite(loss) ? "a gradient" : "the loss";
        throw new RuntimeFailure(`${what} became ${bad} at step ${done + 1} (timestep ${timestep}, images ${names})`);
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

async function unlessInterrupted<T>(work: Promise<T>): Promise<T | null> {
  return work.catch((error: unknown) => {
    if (error instanceof InterruptedError) return null;
    throw error;
  });
}

/** The first non-finite number. */
function notFinite(numbers: Float32Array | readonly number[]): number | undefined {
  for (const number of numbers) if (!Number.isFinite(number)) return number;
  return undefined;
}
