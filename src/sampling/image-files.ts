/** @file Images as PNG files with their settings inside: what `generate` makes, what training shows of itself, what `eval` measures. */

import { basename, resolve } from "node:path";
import { a1111Parameters } from "../data/a1111.js";
import { savePng } from "../data/png.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { type GenerateRequest, generate, type ImageJob } from "./generate.js";

export interface ImageFileJob extends ImageJob {
  /** Where the PNG goes. */
  readonly file: string;
}

export interface ImageFileRequest<Job extends ImageFileJob>
  extends Pick<
    GenerateRequest<Job>,
    "jobs" | "negative" | "prompts" | "batch" | "repackWeights" | "signal" | "onProgress" | "onTruncated"
  > {
  /** How the model is called in the settings. */
  readonly model: string;
  /** Null for the plain model; `file` is where the tokens lie. */
  readonly tokens: { readonly softTokens: SoftTokens; readonly file: string; readonly strength: number } | null;
  /** The family's default where undefined, also of the guidance scale and the scheduler. */
  readonly steps?: number | undefined;
  readonly guidance?: number | undefined;
  readonly scheduler?: string | undefined;
  /** The model's own where undefined. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** As the pipeline was opened with. */
  readonly maxSequenceLength?: number | undefined;
  readonly variant?: string | undefined;
}

/** What is written into the file. */
export type ImageFileSettings = Readonly<Record<string, unknown>> & { readonly prompt: string; readonly seed: number };

/** Writes the images in the order of their jobs; equal requests give equal bytes. */
export async function* writeImages<Job extends ImageFileJob>(
  pipeline: DiffusionPipeline,
  request: ImageFileRequest<Job>,
): AsyncGenerator<{ readonly file: string; readonly settings: ImageFileSettings }, void> {
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
    const { prompt, seed, file } = job;
    const settings = {
      prompt,
      seed,
      ...shared,
      ...(tokens && { tokens: tokenFile, strength: tokens.strength }),
      sampler: scheduler.title,
      provider: pipeline.engine.provider,
      maxSequenceLength: request.maxSequenceLength,
      variant: request.variant,
    };
    await savePng(file, image, {
      parameters: a1111Parameters({
        ...shared,
        prompt,
        seed,
        sampler: scheduler.title,
        extra: tokens ? { "Soft tokens": tokenFile ?? "", Strength: tokens.strength } : {},
      }),
      softrepa: JSON.stringify(settings),
    });
    yield { file, settings };
  }
}
