/** @file How well each caption explains each image, by the denoising errors of the diffusion model. */

import { Generator } from "../core/random.js";
import type { FloatTensor } from "../core/tensor.js";
import { ErrorEvaluator } from "../objectives/error-evaluator.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";

export interface ScoreRequest {
  /** [N, 3, H, W] in -1..1, all of one size. */
  readonly images: FloatTensor;
  readonly captions: readonly string[];
  readonly softTokens: SoftTokens | null;
  /** 0..1; at 0 there are no soft tokens. */
  readonly strength: number;
  /** Timesteps that the errors are averaged over, each in 0..999. */
  readonly timesteps: readonly number[];
  /** Noises a timestep, drawn from seed, seed + 1, ...; the same for every pair. */
  readonly noises: number;
  readonly seed: number;
  /** Pairs per run. */
  readonly pairsPerRun: number;
  /** Measure every image without caption too, which retrieval of images by captions needs (default false). */
  readonly withoutCaption?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

export interface Scores {
  /** errors[image][caption], averaged over timesteps and noises. */
  readonly errors: readonly (readonly number[])[];
  /** The same of each image under the empty caption; null where it was not asked for. */
  readonly withoutCaption: readonly number[] | null;
}

/** The matrix of mean denoising errors of every image under every caption. */
export async function score(pipeline: DiffusionPipeline, request: ScoreRequest): Promise<Scores> {
  const { captions, pairsPerRun, signal } = request;
  const texts = request.withoutCaption ? [...captions, ""] : captions;
  const { conditioning, truncated } = await pipeline.encodePrompts(texts, { signal });
  for (const cut of truncated) request.onTruncated?.(cut);
  const latents = await pipeline.encodeImages(request.images, { signal });
  const useTokens = request.softTokens !== null && request.strength !== 0;
  const embedding =
    useTokens && request.softTokens ? await SoftTokenEmbedding.open(pipeline, request.softTokens) : null;
  const latentShape = latents.shape.slice(1);
  const evaluator = await ErrorEvaluator.open(pipeline, {
    plan: executionPlan(pairsPerRun),
    latentShape,
    images: "shared",
    softTokens: embedding?.form ?? null,
    strength: request.strength,
    gradients: false,
  });
  const images = latents.shape[0];
  const every = texts.map((_, caption) => caption);
  const matrix = Array.from({ length: images }, (_, image) => ({ image, captions: every }));
  const rounds = request.timesteps.length * request.noises;
  const sums = Array.from({ length: images }, () => texts.map(() => 0));
  let done = 0;
  try {
    for (const timestep of request.timesteps) {
      const softTokens = embedding && (await embedding.at(timestep));
      for (let draw = 0; draw < request.noises; draw++) {
        const noise = new Generator(request.seed + draw).normal([1, ...latentShape]);
        const feeds = { latents, noise, timestep, conditioning, softTokens };
        for await (const { image, errors } of evaluator.rows(feeds, matrix, { signal })) {
          for (const [caption, error] of errors.entries()) sums[image][caption] += error / rounds;
          request.onProgress?.(++done, rounds * images);
        }
      }
    }
  } finally {
    await evaluator.release();
    await embedding?.release();
  }
  return {
    errors: sums.map((row) => row.slice(0, captions.length)),
    withoutCaption: request.withoutCaption ? sums.map((row) => row[captions.length]) : null,
  };
}

/** Share of images whose smallest error is under one of their own captions (indices in `own`). */
export function rank1(errors: Scores["errors"], own: readonly (readonly number[])[]): number {
  const right = errors.filter((row, image) => {
    const smallest = Math.min(...row);
    return own[image].some((caption) => row[caption] === smallest);
  });
  return right.length / errors.length;
}
