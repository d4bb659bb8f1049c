/**
 * @file Pointwise mutual information of images and captions by the diffusion model's own denoising errors, in nats
 * (arXiv 2310.07972, equation 5; averaged over pairs, arXiv 2509.20609). docs/mutual-information.md derives it.
 */

import { InputError, UsageError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { LogSnrNode } from "./log-snr-nodes.js";
import { type NoiseErrorOptions, type NoiseErrors, noiseErrors, type TokenSetting } from "./noise-errors.js";

/** A mean over pairs, in nats. */
export interface MeanOfPairs {
  readonly mean: number;
  /** Of the mean, from the spread over pairs, which holds that of their noises; null for a single pair. */
  readonly standardError: number | null;
}

/** The integrand at one node, in nats a unit of log-SNR: the area under the curve is the estimate. */
export interface CurvePoint extends MeanOfPairs {
  readonly timestep: number;
  readonly logSnr: number;
}

export interface Information extends MeanOfPairs {
  /** Nats of each pair. */
  readonly pairs: readonly number[];
  /** By rising log-SNR, from noise to image. */
  readonly curve: readonly CurvePoint[];
}

/** What the step from one token setting to another does, pair by pair on the same noises. */
export interface InformationGain extends Information {
  /** Gain in log p(image | caption). */
  readonly withCaption: MeanOfPairs;
  /** Gain in log p(image); the mean is the first gain less this one. */
  readonly withoutCaption: MeanOfPairs;
}

export interface MutualInformationRequest extends NoiseErrorOptions {
  /** [N, 3, H, W] in -1..1, all of one size. */
  readonly images: FloatTensor;
  /** The caption of each image. */
  readonly captions: readonly string[];
  /** Measured one after the other, on the same noises. */
  readonly settings: readonly TokenSetting[];
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

/** Noise errors of every pair under each token setting, in order; `information` and `informationGain` read them. */
export async function measureInformation(
  pipeline: DiffusionPipeline,
  request: MutualInformationRequest,
): Promise<NoiseErrors[]> {
  const { images, captions, settings, signal, onProgress } = request;
  if (images.shape[0] !== captions.length) {
    throw new InputError(`${images.shape[0]} images and ${captions.length} captions: every image needs its own`);
  }
  const { conditioning, truncated } = await pipeline.encodePrompts(captions, { signal });
  for (const cut of truncated) request.onTruncated?.(cut);
  const { conditioning: empty } = await pipeline.encodePrompts([""], { signal });
  const latents = await pipeline.encodeImages(images, { signal });
  await pipeline.releaseEncoders();
  const measured: NoiseErrors[] = [];
  for (const [index, { softTokens, strength }] of settings.entries()) {
    const setting = { ...request, latents, conditioning, empty, softTokens, strength };
    const errors = await noiseErrors(pipeline, {
      ...setting,
      onProgress: (done, total) => onProgress?.(index * total + done, settings.length * total),
    });
    measured.push(errors);
  }
  return measured;
}

/** i(x; y) = 1/2 integral of (error without caption - error with caption) d logSnr of each pair, and over pairs. */
export function information({ nodes, withCaption, withoutCaption }: NoiseErrors): Information {
  return integrate(nodes, halfGap(withoutCaption, withCaption));
}

/** The paired difference after - before; both must come from the same pairs, nodes and noises. */
export function informationGain(before: NoiseErrors, after: NoiseErrors): InformationGain {
  requireSameNoises(before, after);
  const { nodes } = after;
  const withCaption = halfGap(before.withCaption, after.withCaption);
  const withoutCaption = halfGap(before.withoutCaption, after.withoutCaption);
  const gain = withCaption.map((row, node) => row.map((value, pair) => value - withoutCaption[node][pair]));
  const total = (integrand: Table) => meanOfPairs(integrate(nodes, integrand).pairs);
  return { ...integrate(nodes, gain), withCaption: total(withCaption), withoutCaption: total(withoutCaption) };
}

/** Numbers by [node][pair]. */
type Table = readonly (readonly number[])[];

function halfGap(minuend: Table, subtrahend: Table): number[][] {
  return minuend.map((row, node) => row.map((error, pair) => (error - subtrahend[node][pair]) / 2));
}

function integrate(nodes: readonly LogSnrNode[], integrand: Table): Information {
  const pairs = integrand[0].map((_, pair) =>
    nodes.reduce((sum, { weight }, node) => sum + weight * integrand[node][pair], 0),
  );
  const curve = nodes.map(({ timestep, logSnr }, node) => ({ timestep, logSnr, ...meanOfPairs(integrand[node]) }));
  return { ...meanOfPairs(pairs), pairs, curve };
}

function meanOfPairs(values: readonly number[]): MeanOfPairs {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: count < 2 ? null : Math.sqrt(squares / (count - 1) / count) };
}

function requireSameNoises(before: NoiseErrors, after: NoiseErrors): void {
  const design = ({ nodes, noises, seed, withCaption }: NoiseErrors) =>
    JSON.stringify([seed, noises, withCaption[0].length, nodes.map(({ timestep }) => timestep)]);
  if (design(before) !== design(after)) {
    throw new UsageError("a difference needs two measurements of the same pairs, nodes, noises and seed");
  }
}
