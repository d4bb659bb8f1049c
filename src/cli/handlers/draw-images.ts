/** @file Pictures as files with their settings inside: what `generate` makes, and what training shows of itself on the way. */

import { basename, resolve } from "node:path";
import { a1111Parameters } from "../../data/a1111.js";
import { savePng } from "../../data/png.js";
import type { PromptEncoder } from "../../pipelines/conditioning.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../../pipelines/pipeline.js";
import { requireSize } from "../../pipelines/sizes.js";
import { generate } from "../../sampling/generate.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import type { ImageJob } from "../commands/generate.js";
import { modelName } from "./session.js";

export interface DrawRequest {
  readonly jobs: readonly ImageJob[];
  readonly model: string;
  /** Null draws with the plain model; `file` is where the tokens lie. */
  readonly tokens: { readonly softTokens: SoftTokens; readonly file: string; readonly strength: number } | null;
  readonly negative: string;
  /** What embeds prompts; the pipeline's own encoders by default. */
  readonly prompts?: PromptEncoder | undefined;
  /** The family's default where undefined, also of the guidance scale and the scheduler. */
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  readonly scheduler: string | undefined;
  /** The model's own where undefined. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Images denoised together. */
  readonly batch: number;
  /** Copy the denoiser's weights into faster layouts. */
  readonly repack?: boolean | undefined;
  readonly maxSequenceLength: number | undefined;
  readonly variant: string | undefined;
}

export interface DrawHooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
  readonly onTruncated: (cut: TruncatedPrompt) => void;
}

/** What is written into the file. */
export type DrawnSettings = Readonly<Record<string, unknown>> & { readonly prompt: string; readonly seed: number };

/** Writes the images in the order of their jobs; equal requests give equal bytes. */
export async function* drawImages(
  pipeline: DiffusionPipeline,
  request: DrawRequest,
  hooks: DrawHooks,
): AsyncGenerator<{ readonly file: string; readonly settings: DrawnSettings }, void> {
  const { jobs, model, negative, tokens } = request;
  const { steps = pipeline.defaults.steps, guidance = pipeline.defaults.guidanceScale } = request;
  const { width = pipeline.defaultSize, height = pipeline.defaultSize } = request;
  const scheduler = request.scheduler === undefined ? pipeline.scheduler : pipeline.schedulerNamed(request.scheduler);
  const shared = { model: modelName(model), negative, steps, guidance, width, height };
  const tokenFile = tokens && basename(resolve(tokens.file));
  requireSize(pipeline, "width", width);
  requireSize(pipeline, "height", height);
  hooks.onProgress(0, jobs.length * scheduler.start(steps).timesteps.length);
  const images = generate(pipeline, {
    jobs,
    negative,
    prompts: request.prompts,
    steps,
    scheduler,
    guidanceScale: guidance,
    width,
    height,
    softTokens: tokens?.softTokens ?? null,
    strength: tokens?.strength ?? 1,
    batch: request.batch,
    repackWeights: request.repack,
    ...hooks,
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
