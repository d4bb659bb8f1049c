/** @file From noise to latents: the sampling loop, the same for every family and scheduler. */

import { stopIfAsked } from "../core/errors.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { joinConditioning } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline } from "../pipelines/pipeline.js";
import type { DrawNoise, Scheduler } from "../schedulers/index.js";
import type { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { compileGuidedDenoiser } from "./guided-denoiser.js";

export interface SampleRequest {
  /** Unit normal noise [N, channels, h, w]: drawn once to start from, and again by schedulers that add noise on the way. */
  readonly drawNoise: DrawNoise;
  /** The pipeline's own by default. */
  readonly scheduler?: Scheduler | undefined;
  /** One text an image. */
  readonly conditioning: Conditioning;
  /** One negative text an image; null for no guidance. */
  readonly negative: Conditioning | null;
  readonly guidanceScale: number;
  readonly steps: number;
  /** Soft tokens for both branches, and how strongly they count; null for the plain model. */
  readonly softTokens: { readonly embedding: SoftTokenEmbedding; readonly strength: number } | null;
  readonly signal?: AbortSignal;
  readonly onStep?: (done: number, total: number) => void;
}

/** Scaled latents [N, channels, h, w] of the finished images. */
export async function sampleLatents(pipeline: DiffusionPipeline, request: SampleRequest): Promise<FloatTensor> {
  const { drawNoise, negative, softTokens, guidanceScale, signal, onStep } = request;
  const noise = drawNoise();
  const denoiser = await compileGuidedDenoiser(pipeline, {
    images: noise.shape[0],
    latentShape: noise.shape.slice(1),
    guided: negative !== null,
    softTokens: softTokens?.embedding.form ?? null,
    strength: softTokens?.strength ?? 1,
  });
  try {
    const run = (request.scheduler ?? pipeline.scheduler).start(request.steps);
    const conditioning = negative ? joinConditioning([negative, request.conditioning]) : request.conditioning;
    let sample = floatTensor(
      noise.shape,
      noise.data.map((x) => x * run.initialScale),
    );
    for (const [index, timestep] of run.timesteps.entries()) {
      stopIfAsked(signal);
      const prediction = await denoiser.run({
        sample: run.scaleInput(sample, index),
        timestep,
        conditioning,
        softTokens: softTokens && (await softTokens.embedding.at(timestep)),
        guidanceScale,
      });
      sample = run.step(index, sample, prediction, drawNoise);
      onStep?.(index + 1, run.timesteps.length);
    }
    return sample;
  } finally {
    await denoiser.release();
  }
}
