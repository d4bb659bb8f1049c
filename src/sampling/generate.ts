/** @file From prompts to images. */

import { Generator } from "../core/random.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { encodeForGuidance, type PromptEncoder, selectConditioning } from "../pipelines/conditioning.js";
import { paddedBatches } from "../pipelines/padded-batches.js";
import type { Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";
import type { Scheduler } from "../schedulers/index.js";
import { requireFit, type SoftTokens } from "../softtokens/softtokens.js";
import { SamplingCache } from "./sampling-cache.js";

/** One image to make. */
export interface ImageJob {
  readonly prompt: string;
  /** Of the noise; the same seed gives the same noise at the same size. */
  readonly seed: number;
}

export interface GenerateRequest<Job extends ImageJob> {
  readonly jobs: readonly Job[];
  readonly negative: string;
  /** What embeds prompts; the pipeline's own encoders by default. */
  readonly prompts?: PromptEncoder | undefined;
  /** Keeps compiled denoisers and the encoders' sessions for later calls; without it everything is freed at the end. */
  readonly cache?: SamplingCache | undefined;
  readonly steps: number;
  /** The pipeline's own by default. */
  readonly scheduler?: Scheduler | undefined;
  /** Guidance scale; at 1 or below there is no negative branch. */
  readonly guidanceScale: number;
  readonly width: number;
  readonly height: number;
  readonly softTokens: SoftTokens | null;
  /** 0..1, times the effective soft tokens; at 0 there are none. */
  readonly strength: number;
  /** Images sampled together. */
  readonly batch: number;
  /** As `SamplerOptions` has it. */
  readonly repackWeights?: boolean | undefined;
  readonly signal?: AbortSignal;
  /** Denoising steps done, of all images together. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

export interface JobImage<Job extends ImageJob> {
  readonly job: Job;
  /** [3, height, width] in -1..1, clamped by whoever writes it. */
  readonly image: FloatTensor;
}

/** Yields the images in the order of their jobs, as soon as their batch is done. */
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
      // Every image has a generator of its own, so that it does not depend on its neighbours.
      const generators = batch.map(({ seed }) => new Generator(seed));
      const wanted = { images: size, latentShape, guided: negative !== null, repackWeights: request.repackWeights };
      const latents = await cache.withSampler({ ...wanted, softTokens, strength }, (sampler) =>
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

/** Embeds every different prompt once, and the negative one where there is guidance. */
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
