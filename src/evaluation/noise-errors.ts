/** @file Errors of the noise estimate with and without the caption, over the whole range of the signal-to-noise ratio. */

import { InputError, RuntimeFailure, UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { concatRows, type FloatTensor, rows, sizeOf } from "../core/tensor.js";
import { ErrorEvaluator, type ErrorFeeds } from "../objectives/error-evaluator.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { Conditioning, Denoiser } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { defaultNodes, type LogSnrNode, logSnrNodes } from "./log-snr-nodes.js";

/** Soft tokens and how much they count; null tokens or strength 0 for the plain model. */
export interface TokenSetting {
  readonly softTokens: SoftTokens | null;
  /** 0..1. */
  readonly strength: number;
}

export interface NoiseErrorOptions {
  /** Points of the quadrature over the log-SNR (default 28). */
  readonly nodes?: number;
  /** Limits of the log-SNR (default -10 and 8). */
  readonly limits?: readonly [lowest: number, highest: number];
  /** Noises a node and pair; every node and pair has noises of its own. */
  readonly noises: number;
  /** Of all noises; the same seed, nodes and pairs give the same noises under any tokens. */
  readonly seed: number;
  /** Pairs per run. */
  readonly pairsPerRun: number;
  readonly signal?: AbortSignal;
  /** Counts evaluations of a pair with and without its caption. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface NoiseErrorRequest extends NoiseErrorOptions, TokenSetting {
  /** Scaled latents [N, channels, h, w]. */
  readonly latents: FloatTensor;
  /** The caption of each, N texts. */
  readonly conditioning: Conditioning;
  /** One text, which stands for no caption. */
  readonly empty: Conditioning;
}

/** |noise - estimate|^2, summed over the dimensions of the latent and averaged over noises; [node][pair]. */
export interface NoiseErrors {
  readonly nodes: readonly LogSnrNode[];
  readonly noises: number;
  readonly seed: number;
  readonly withCaption: readonly (readonly number[])[];
  readonly withoutCaption: readonly (readonly number[])[];
}

/** Denoises every pair at every node with its caption and without, from the same noise; soft tokens stand in both. */
export async function noiseErrors(denoiser: Denoiser, request: NoiseErrorRequest): Promise<NoiseErrors> {
  const { latents, conditioning, empty, strength, noises, seed, pairsPerRun, signal, onProgress } = request;
  if (!Number.isInteger(noises) || noises < 1)
    throw new UsageError(`noises is a whole number from 1 up, got ${noises}`);
  const [pairs, ...latentShape] = latents.shape;
  const texts = Object.values(conditioning)[0].shape[0];
  if (texts !== pairs) throw new InputError(`${pairs} images and ${texts} captions: every image needs its own`);
  const nodes = logSnrNodes(denoiser, request.nodes ?? defaultNodes, request.limits);
  const random = new Generator(seed);
  const softTokens = strength === 0 ? null : request.softTokens;
  const embedding = softTokens && (await SoftTokenEmbedding.open(denoiser, softTokens));
  const evaluator = await ErrorEvaluator.open(denoiser, {
    plan: executionPlan(pairsPerRun),
    latentShape,
    images: "each",
    softTokens: embedding?.form ?? null,
    strength,
    gradients: false,
  });
  /** Of some images, each under one text. */
  const errorsOf = async (feeds: ErrorFeeds, texts: readonly number[]) => {
    const matrix = texts.map((text, image) => ({ image, captions: [text] }));
    const errors: number[] = [];
    for await (const row of evaluator.rows(feeds, matrix, { signal })) errors.push(...row.errors);
    return errors;
  };
  const zeros = () => nodes.map(() => new Array<number>(pairs).fill(0));
  const [withCaption, withoutCaption] = [zeros(), zeros()];
  let done = 0;
  try {
    for (const [index, { timestep, errorScale }] of nodes.entries()) {
      const tokens = embedding && (await embedding.at(timestep));
      // The network's errors are means over dimensions; information is a sum.
      const scale = (errorScale * sizeOf(latentShape)) / noises;
      for (let draw = 0; draw < noises; draw++) {
        for (let start = 0; start < pairs; start += pairsPerRun) {
          const end = Math.min(start + pairsPerRun, pairs);
          const some = Array.from({ length: end - start }, (_, k) => start + k);
          const noise = concatRows(some.map(() => random.normal([1, ...latentShape])));
          const feeds = { latents: rows(latents, start, end), noise, timestep, softTokens: tokens };
          const given = await errorsOf({ ...feeds, conditioning }, some);
          const alone = await errorsOf(
            { ...feeds, conditioning: empty },
            some.map(() => 0),
          );
          for (const [k, pair] of some.entries()) {
            if (!Number.isFinite(given[k]) || !Number.isFinite(alone[k])) {
              throw new RuntimeFailure(`the denoising error of pair ${pair + 1} at timestep ${timestep} is not finite`);
            }
            withCaption[index][pair] += given[k] * scale;
            withoutCaption[index][pair] += alone[k] * scale;
          }
          done += some.length;
          onProgress?.(done, nodes.length * noises * pairs);
        }
      }
    }
  } finally {
    await evaluator.release();
    await embedding?.release();
  }
  return { nodes, noises, seed, withCaption, withoutCaption };
}
