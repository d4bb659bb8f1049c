/** @file Measures soft tokens on held-out images, with the same pairs, timesteps and noise every time. */

import { type Abortable, InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { normalCaption } from "../data/caption.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import { fullMatrix } from "../objectives/candidates.js";
import { ErrorEvaluator } from "../objectives/error-evaluator.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import type { TrainingPair } from "./batches.js";
import { type EncodedBatch, EncodedData } from "./encoded-data.js";
import type { LatentsCache } from "./latents-cache/latents-cache.js";

/** The centres of five equal parts of 0..1000. */
export const validationTimesteps = [100, 300, 500, 700, 900] as const;

export interface BucketErrors {
  readonly timestep: number;
  /** Mean error of images with their own captions. */
  readonly matched: number;
  /** Mean error of images with the other captions of their batch. */
  readonly mismatched: number;
}

export interface ValidationResult {
  /** Mean row loss over images and timesteps. */
  readonly loss: number;
  /** Share of images whose matched caption has the smallest error in the batch. */
  readonly rank1: number;
  readonly matched: number;
  /** Mean mismatched error minus mean matched error. */
  readonly gap: number;
  readonly buckets: readonly BucketErrors[];
}

export interface ValidationSettings {
  /** Pairs per batch, as in training, so that losses are comparable. */
  readonly batch: number;
  readonly resolution: number;
  readonly pairsPerRun: number;
  /** The loss of an image's errors with all captions of its batch. */
  readonly row: Objective["row"];
  readonly onTruncated: (prompt: TruncatedPrompt) => void;
  /** As in training. */
  readonly latentsCache?: LatentsCache | undefined;
}

export interface ValidateOptions extends Abortable {
  readonly onProgress?: (done: number, total: number) => void;
}

/** Keeps its encoded batches and compiled graph between runs. */
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

  /**
   * Each run uses the current values of `softTokens`.
   *
   * @throws InputError if `items` do not fill one batch
   */
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

  /** @throws InterruptedError if the signal is aborted */
  async run(options: ValidateOptions = {}): Promise<ValidationResult> {
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
        const rows = this.evaluator.rows(feeds, fullMatrix(this.settings.batch), options);
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

  /** Encodes the batches in advance, so that `run` does not need the encoders. */
  async prepare(options: Abortable = {}): Promise<void> {
    this.batches ??= await this.encode(options);
  }

  async release(): Promise<void> {
    await this.evaluator.release();
    await this.embedding.release();
  }

  private async encode(options: Abortable): Promise<EncodedBatch[]> {
    // Whole batches are cached here, so `EncodedData` needs no cache.
    const data = new EncodedData(this.pipeline, { ...this.settings, limit: 0 });
    const batches: EncodedBatch[] = [];
    for (const group of this.groups) batches.push(await data.encode(group, options));
    await this.pipeline.releaseEncoders();
    return batches;
  }
}

/**
 * Divides images with their first captions, in order, into batches without equivalent captions (`normalCaption`); skips images
 * that do not fill a batch.
 */
export function validationBatches(items: readonly CaptionedImage[], size: number): TrainingPair[][] {
  const incomplete: { pairs: TrainingPair[]; captions: Set<string> }[] = [];
  const complete: TrainingPair[][] = [];
  for (const image of items) {
    const caption = at(image.captions, 0);
    const key = normalCaption(caption);
    let batch = incomplete.find(({ captions }) => !captions.has(key));
    if (batch === undefined) {
      batch = { pairs: [], captions: new Set() };
      incomplete.push(batch);
    }
    batch.pairs.push({ image, caption, view: { crop: "center" } });
    batch.captions.add(key);
    if (batch.pairs.length === size) {
      incomplete.splice(incomplete.indexOf(batch), 1);
      complete.push(batch.pairs);
    }
  }
  if (complete.length > 0) return complete;
  throw new InputError(
    `validation needs a batch of ${size} images with different captions, but has ${items.length} images: hold out more, or use a smaller \`batch\``,
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
