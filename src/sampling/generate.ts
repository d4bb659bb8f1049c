/** @file Generates images from prompts. */

import { Generator } from "../core/random.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { encodeForGuidance, type PromptEncoder, selectConditioning } from "../pipelines/conditioning.js";
import { paddedBatches } from "../pipelines/padded-batches.js";
import type { Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";
import type { Scheduler } from "../schedulers/index.js";
import { requireFit, type SoftTokens } from "../softtokens/softtokens.js";
import { SamplingCache } from "./sampling-cache.js";

/** One image to generate. */
export interface ImageJob {
  readonly prompt: string;
  /** Seed of the noise. Equal seeds give equal noise at equal sizes. */
  readonly seed: number;
}

export interface GenerateRequest<Job extends ImageJob> {
  readonly jobs: readonly Job[];
  readonly negative: string;
  /** Encodes the prompts (default: the pipeline). */
  readonly prompts?: PromptEncoder | undefined;
  /** Keeps compiled denoisers, prompt embeds and encoder sessions for later calls. Without it, everything is freed at the end. */
  readonly cache?: SamplingCache | undefined;
  readonly steps: number;
  /** Default: the pipeline's scheduler. */
  readonly scheduler?: Scheduler | undefined;
  /** Classifier-free guidance scale; no guidance at 1 or below. */
  readonly guidanceScale: number;
  readonly width: number;
  readonly height: number;
  readonly softTokens: SoftTokens | null;
  /** 0..1, the weight of the soft tokens' effect; without soft tokens at 0. */
  readonly strength: number;
  /** Images sampled together. */
  readonly batch: number;
  /** See `SamplerOptions`. */
  readonly repackWeights?: boolean | undefined;
  readonly signal?: AbortSignal;
  /** Called with the finished and total denoising steps of all images. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

export interface JobImage<Job extends ImageJob> {
  readonly job: Job;
  /** [3, height, width] in -1..1, not clamped. */
  readonly image: FloatTensor;
}

/**
 * Yields the images in the order of their jobs, as soon as their batch is finished.
 *
 * @throws UsageError if the size does not fit the model; InputError if the soft tokens do not; InterruptedError before the next
 *   evaluation if the signal is aborted
 */
export async function* generate<Job extends ImageJob>(
  pipeline: DiffusionPipeline,
  request: GenerateRequest<Job>,
): AsyncGenerator<JobImage<Job>, void> {
  const {
    jobs,
    width,
    height,
    steps,
    scheduler = pipeline.scheduler,
    softTokens,
    strength,
    signal,
    onProgress,
  } = request;
  requireSize(pipeline, "width", width);
  requireSize(pipeline, "height", height);
  if (softTokens !== null && strength !== 0) requireFit(softTokens, pipeline.softTokenLayout);
  const evaluations = scheduler.start(steps).timesteps.length;
  const latentShape = [pipeline.latentChannels, height / pipeline.vaeScaleFactor, width / pipeline.vaeScaleFactor];
  const cache = request.cache ?? new SamplingCache(pipeline);
  try {
    const texts = await encodeTexts(pipeline, request);
    const size = Math.min(request.batch, jobs.length);
    let done = 0;
    for (const { batch, real } of paddedBatches(jobs, size)) {
      const negative = texts.negative(size);
      // One generator per image, so that images do not depend on their batch.
      const generators = batch.map(({ seed }) => new Generator(seed));
      const options = { images: size, latentShape, guided: negative !== null, repackWeights: request.repackWeights };
      const latents = await cache.withSampler({ ...options, softTokens, strength }, (sampler) =>
        sampler.sample({
          drawNoise: () => concatRows(generators.map((generator) => generator.normal([1, ...latentShape]))),
          conditioning: texts.positive(batch),
          negative,
          guidanceScale: request.guidanceScale,
          steps,
          scheduler,
          ...(signal && { signal }),
          onStep: (step) => onProgress?.(done * evaluations + step * real, jobs.length * evaluations),
        }),
      );
      const images = await pipeline.decodeLatents(rows(latents, 0, real), { signal });
      for (const [offset, job] of batch.slice(0, real).entries()) {
        const image = rows(images, offset, offset + 1);
        yield { job, image: { ...image, shape: image.shape.slice(1) } };
      }
      done += real;
    }
  } finally {
    if (request.cache === undefined) await cache.close();
  }
}

/** Encodes each distinct prompt once, and the negative prompt if there is guidance. */
async function encodeTexts<Job extends ImageJob>(pipeline: DiffusionPipeline, request: GenerateRequest<Job>) {
  const prompts = [...new Set(request.jobs.map(({ prompt }) => prompt))];
  const { conditioning, negative, truncated } = await encodeForGuidance(
    request.prompts ?? request.cache?.prompts ?? pipeline,
    prompts,
    request.guidanceScale > 1 ? request.negative : null,
    request,
  );
  for (const cut of truncated) request.onTruncated?.(cut);
  if (request.cache === undefined) await pipeline.releaseEncoders();
  return {
    positive: (jobs: readonly Job[]): Conditioning =>
      selectConditioning(
        conditioning,
        jobs.map(({ prompt }) => prompts.indexOf(prompt)),
      ),
    negative: (count: number): Conditioning | null =>
      negative &&
      selectConditioning(
        negative,
        Array.from({ length: count }, () => 0),
      ),
  };
}
