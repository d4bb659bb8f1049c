/** @file From prompts to images. */

import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { joinConditioning, textOf } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { sampleLatents } from "./sample.js";

export interface GenerateRequest {
  readonly prompts: readonly string[];
  readonly negative: string;
  /** Images of each prompt; their seeds count up from `seed`. */
  readonly imagesPerPrompt: number;
  readonly seed: number;
  readonly steps: number;
  /** Guidance scale; at 1 or below there is no negative branch. */
  readonly guidanceScale: number;
  readonly width: number;
  readonly height: number;
  readonly softTokens: SoftTokens | null;
  /** 0..1, times the effective soft tokens; at 0 there are none. */
  readonly strength: number;
  /** Images sampled together. */
  readonly batch: number;
  readonly signal?: AbortSignal;
  /** Denoising steps done, of all images together. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

export interface GeneratedImage {
  readonly prompt: string;
  readonly seed: number;
  /** [3, height, width] in -1..1, clamped by whoever writes it. */
  readonly image: FloatTensor;
}

/** Yields the images of each prompt in order, as soon as their batch is done. */
export async function* generate(
  pipeline: DiffusionPipeline,
  request: GenerateRequest,
): AsyncGenerator<GeneratedImage, void> {
  const { width, height, steps, signal, onProgress } = request;
  requireSize(pipeline, width, height);
  const { conditioning, negative } = await encodeTexts(pipeline, request);
  const useTokens = request.softTokens !== null && request.strength !== 0;
  const embedding = useTokens && request.softTokens ? await SoftTokenEmbedding.open(pipeline, request.softTokens) : null;
  const jobs = request.prompts.flatMap((prompt, index) =>
    Array.from({ length: request.imagesPerPrompt }, (_, image) => ({ prompt, index, seed: request.seed + image })),
  );
  const latentShape = [pipeline.latentChannels, height / pipeline.latentScale, width / pipeline.latentScale];
  try {
    for (let start = 0; start < jobs.length; start += request.batch) {
      const batch = jobs.slice(start, start + request.batch);
      const latents = await sampleLatents(pipeline, {
        noise: concatRows(batch.map(({ seed }) => new Generator(seed).normal([1, ...latentShape]))),
        conditioning: joinConditioning(batch.map(({ index }) => textOf(conditioning, index))),
        negative: negative && joinConditioning(batch.map(() => negative)),
        guidanceScale: request.guidanceScale,
        steps,
        softTokens: embedding && { embedding, strength: request.strength },
        ...(signal && { signal }),
        onStep: (done) => onProgress?.(start * steps + done * batch.length, jobs.length * steps),
      });
      const images = await pipeline.decodeLatents(latents);
      for (const [offset, { prompt, seed }] of batch.entries()) {
        const [image] = [rows(images, offset, offset + 1)];
        yield { prompt, seed, image: { ...image, shape: image.shape.slice(1) } };
      }
    }
  } finally {
    await embedding?.release();
  }
}

async function encodeTexts(pipeline: DiffusionPipeline, request: GenerateRequest) {
  const guided = request.guidanceScale > 1;
  const texts = guided ? [...request.prompts, request.negative] : request.prompts;
  const { conditioning, truncated } = await pipeline.encodePrompts(texts);
  for (const cut of truncated) request.onTruncated?.(cut);
  const negative: Conditioning | null = guided ? textOf(conditioning, texts.length - 1) : null;
  return { conditioning, negative };
}

function requireSize({ sizeMultiple, origin }: DiffusionPipeline, width: number, height: number): void {
  for (const [name, size] of [["width", width], ["height", height]] as const) {
    if (size <= 0 || size % sizeMultiple !== 0) {
      throw new UsageError(`${name} ${size} does not fit ${origin}: it must be a multiple of ${sizeMultiple}`);
    }
  }
}
