/** @file How well soft tokens tell held-out captions apart: on pairs, timesteps and noise that are the same every time. */

import { InputError, type Stoppable } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { normalCaption } from "../data/caption.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import { wholeRows } from "../objectives/candidates.js";
import { ErrorEvaluator } from "../objectives/error-evaluator.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import type { TrainingPair } from "./batches.js";
import { type EncodedBatch, EncodedData } from "./encoded-data.js";
import type { LatentsCache } from "./latents-cache/latents-cache.js";

/** The middles of five equal parts of 0..1000. */
export const validationTimesteps = [100, 300, 500, 700, 900] as const;

export interface BucketErrors {
  readonly timestep: number;
  /** Mean error of images under their own captions, and under the others of their batch. */
  readonly matched: number;
  readonly mismatched: number;
}

export interface ValidationResult {
  /** Mean over images and timesteps of the objective's loss of a row. */
  readonly loss: number;
  /** Share of images whose own caption has the smallest error of the batch. */
  readonly rank1: number;
  readonly matched: number;
  /** Mismatched minus matched. */
  readonly gap: number;
  readonly buckets: readonly BucketErrors[];
}

export interface ValidationSettings {
  /** Pairs a batch: as in training, so that loss and rank compare. */
  readonly batch: number;
  readonly resolution: number;
  readonly pairsPerRun: number;
  /** The loss of an image's errors under all captions of its batch. */
  readonly row: Objective["row"];
  readonly onTruncated: (cut: TruncatedPrompt) => void;
  /** As in training. */
  readonly latentsCache?: LatentsCache | undefined;
}

export interface MeasureOptions extends Stoppable {
  readonly onProgress?: (done: number, total: number) => void;
}

/** Its batches stay encoded, and its graph compiled, from one measurement to the next. */
export class Validation {
  private batches: readonly EncodedBatch[] | undefined;

  private constructor(
    private readonly pipeline: DiffusionPipeline,
    private readonly groups: readonly (readonly TrainingPair[])[],
    private readonly settings: ValidationSettings,
    private readonly embedding: SoftTokenEmbedding,
    private readonly evaluator: ErrorEvaluator,
    private readonly latentShape: readonly number[],
  ) {}

  /** `softTokens` are those in training; each measurement sees them as they are then. */
  static async open(
    pipeline: DiffusionPipeline,
    items: readonly CaptionedImage[],
    softTokens: SoftTokens,
    settings: ValidationSettings,
  ): Promise<Validation> {
    const groups = validationBatches(items, settings.batch);
    const embedding = await SoftTokenEmbedding.open(pipeline, softTokens);
    const side = settings.resolution / pipeline.vaeScaleFactor;
    const latentShape = [pipeline.latentChannels, side, side];
    const evaluator = await ErrorEvaluator.open(pipeline, {
      plan: executionPlan(settings.pairsPerRun),
      latentShape,
      images: "shared",
      softTokens: embedding.form,
      gradients: false,
    });
    return new Validation(pipeline, groups, settings, embedding, evaluator, latentShape);
  }

  /** @throws InterruptedError where the signal is aborted */
  async run(options: MeasureOptions = {}): Promise<ValidationResult> {
    this.batches ??= await this.encode(options);
    const total = this.batches.length * this.settings.batch * validationTimesteps.length;
    const buckets: BucketErrors[] = [];
    let [loss, first, done] = [0, 0, 0];
    for (const timestep of validationTimesteps) {
      const softTokens = await this.embedding.at(timestep);
      const [matched, mismatched] = [new Mean(), new Mean()];
      for (const [index, { latents, conditioning }] of this.batches.entries()) {
        const noise = new Generator(1000 * index + timestep).normal([1, ...this.latentShape]);
        const feeds = { latents, noise, timestep, conditioning, softTokens };
        const rows = this.evaluator.rows(feeds, wholeRows(this.settings.batch), options);
        for await (const { image, errors } of rows) {
          loss += this.settings.row(errors, image).loss / total;
          if (errors[image] === Math.min(...errors)) first++;
          for (const [caption, error] of errors.entries()) (caption === image ? matched : mismatched).add(error);
          options.onProgress?.(++done, total);
        }
      }
      buckets.push({ timestep, matched: matched.value, mismatched: mismatched.value });
    }
    const mean = (of: (bucket: BucketErrors) => number) =>
      buckets.reduce((sum, bucket) => sum + of(bucket), 0) / buckets.length;
    const matched = mean((bucket) => bucket.matched);
    return { loss, rank1: first / total, matched, gap: mean((bucket) => bucket.mismatched) - matched, buckets };
  }

  /** Encodes its pairs, which takes the encoders; measurements do without. */
  async prepare(options: Stoppable = {}): Promise<void> {
    this.batches ??= await this.encode(options);
  }

  async release(): Promise<void> {
    await this.evaluator.release();
    await this.embedding.release();
  }

  private async encode(options: Stoppable): Promise<EncodedBatch[]> {
    // Kept in whole batches here, so not there.
    const data = new EncodedData(this.pipeline, { ...this.settings, limit: 0 });
    const batches: EncodedBatch[] = [];
    for (const group of this.groups) batches.push(await data.encode(group, options));
    await this.pipeline.releaseEncoders();
    return batches;
  }
}

/**
 * Whole batches of images with their first captions, in their order; within a batch no two captions say the same, and what
 * does not fill a batch is left out.
 */
export function validationBatches(items: readonly CaptionedImage[], size: number): TrainingPair[][] {
  const open: { pairs: TrainingPair[]; captions: Set<string> }[] = [];
  const whole: TrainingPair[][] = [];
  for (const image of items) {
    const caption = at(image.captions, 0);
    const key = normalCaption(caption);
    let batch = open.find(({ captions }) => !captions.has(key));
    if (batch === undefined) {
      batch = { pairs: [], captions: new Set() };
      open.push(batch);
    }
    batch.pairs.push({ image, caption, view: { crop: "center" } });
    batch.captions.add(key);
    if (batch.pairs.length === size) {
      open.splice(open.indexOf(batch), 1);
      whole.push(batch.pairs);
    }
  }
  if (whole.length > 0) return whole;
  throw new InputError(
    `validation needs a batch of ${size} images with different captions, and has ${items.length} images: give it more, or use a smaller \`batch\``,
  );
}

class Mean {
  private sum = 0;
  private count = 0;

  add(value: number): void {
    this.sum += value;
    this.count++;
  }

  get value(): number {
    return this.sum / this.count;
  }
}
