/** @file Generates images with their settings, for `generate`, training previews and `eval`. */

import { basename, resolve } from "node:path";
import { a1111Parameters } from "../data/a1111.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { type GenerateRequest, generate, type ImageJob } from "./generate.js";
import { GeneratedImage, type ImageSettings } from "./generated-image.js";

export interface ImageFileJob extends ImageJob {
  /** Path of the PNG file. */
  readonly file: string;
}

export interface ImageRequest<Job extends ImageJob>
  extends Pick<
    GenerateRequest<Job>,
    "jobs" | "negative" | "prompts" | "cache" | "batch" | "repackWeights" | "signal" | "onProgress" | "onTruncated"
  > {
  /** The model's name in the settings. */
  readonly model: string;
  /** Null for the plain model; the settings contain the base name of `file`. */
  readonly tokens: { readonly softTokens: SoftTokens; readonly file: string; readonly strength: number } | null;
  /** Default: that of the family; likewise for guidance scale and scheduler. */
  readonly steps?: number | undefined;
  readonly guidance?: number | undefined;
  readonly scheduler?: string | undefined;
  /** Default: the model's native size; likewise for the height. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** An option of opening the pipeline, recorded in the settings; likewise the variant. */
  readonly maxSequenceLength?: number | undefined;
  readonly variant?: string | undefined;
}

/** Yields the images in the order of their jobs, as soon as their batch is finished. Throws like `generate`. */
export async function* generateImages<Job extends ImageJob>(
  pipeline: DiffusionPipeline,
  request: ImageRequest<Job>,
): AsyncGenerator<{ readonly job: Job; readonly image: GeneratedImage }, void> {
  const { jobs, model, negative, tokens, onProgress } = request;
  const { steps = pipeline.defaults.steps, guidance = pipeline.defaults.guidanceScale } = request;
  const { width = pipeline.defaultSize, height = pipeline.defaultSize } = request;
  const scheduler = request.scheduler === undefined ? pipeline.scheduler : pipeline.schedulerNamed(request.scheduler);
  const shared = { model, negative, steps, guidance, width, height };
  const tokenFile = tokens && basename(resolve(tokens.file));
  requireSize(pipeline, "width", width);
  requireSize(pipeline, "height", height);
  onProgress?.(0, jobs.length * scheduler.start(steps).timesteps.length);
  const images = generate(pipeline, {
    ...request,
    steps,
    scheduler,
    guidanceScale: guidance,
    width,
    height,
    softTokens: tokens?.softTokens ?? null,
    strength: tokens?.strength ?? 1,
  });
  for await (const { job, image } of images) {
    const { prompt, seed } = job;
    const settings: ImageSettings = {
      prompt,
      seed,
      ...shared,
      ...(tokens && { tokens: tokenFile, strength: tokens.strength }),
      sampler: scheduler.title,
      provider: pipeline.engine.provider,
      maxSequenceLength: request.maxSequenceLength,
      variant: request.variant,
    };
    const parameters = a1111Parameters({
      ...shared,
      prompt,
      seed,
      sampler: scheduler.title,
      extra: tokens ? { "Soft tokens": tokenFile ?? "", Strength: tokens.strength } : {},
    });
    yield { job, image: new GeneratedImage(image, settings, parameters) };
  }
}

/** Generates images and writes each to the file of its job. */
export async function* writeImages<Job extends ImageFileJob>(
  pipeline: DiffusionPipeline,
  request: ImageRequest<Job>,
): AsyncGenerator<{ readonly file: string; readonly settings: ImageSettings }, void> {
  for await (const { job, image } of generateImages(pipeline, request)) {
    await image.save(job.file);
    yield { file: job.file, settings: image.settings };
  }
}
