/** @file `Model.score`: the matrix of denoising errors of images and captions. */

import { UsageError } from "../core/errors.js";
import { concatRows } from "../core/tensor.js";
import { type ImageSource, imageFile } from "../data/captioned-image.js";
import { loadImage } from "../data/load-image.js";
import { evenTimesteps, ownCaptions } from "../evaluation/pairing.js";
import { rank1, score } from "../evaluation/score.js";
import { defaultPlan } from "../objectives/execution-plan.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";
import type { GeneratedImage } from "../sampling/generated-image.js";
import type { SoftTokens } from "./soft-tokens.js";

export interface ScoreOptions {
  /** Paths of image files, or generated images. */
  readonly images: readonly (string | GeneratedImage)[];
  /** If there are as many captions as images, they belong together in order; otherwise the pairing is unknown. */
  readonly captions: readonly string[];
  readonly tokens?: SoftTokens | undefined;
  /** 0..1, the weight of the tokens' effect (default 1). */
  readonly strength?: number | undefined;
  /** Use tokens that were trained on another base model (default false). */
  readonly force?: boolean | undefined;
  /** The number of evenly spaced timesteps, or a list of timesteps in 1..999 (default 8). */
  readonly timesteps?: number | readonly number[] | undefined;
  /** Noise samples per timestep (default 1). */
  readonly noises?: number | undefined;
  /** Seed of the noise (default 0). */
  readonly seed?: number | undefined;
  /** Images are resized and center-cropped to this size in pixels (default: the model's native size). */
  readonly resolution?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface ScoreResult {
  /** errors[image][caption]: mean squared error over channels, pixels, timesteps and noise samples. */
  readonly errors: readonly (readonly number[])[];
  /** Share of images whose matched caption has the smallest error; null if the pairing is unknown. */
  readonly rank1: number | null;
}

export async function scoreImages(pipeline: DiffusionPipeline, options: ScoreOptions): Promise<ScoreResult> {
  const { captions, timesteps = 8, resolution: side = pipeline.defaultSize, signal, onProgress } = options;
  requireSize(pipeline, "resolution", side);
  if (options.images.length === 0 || captions.length === 0)
    throw new UsageError("`images` and `captions` must not be empty");
  const images = await Promise.all(
    options.images.map(async (image, index) => {
      const loaded = await loadImage(sourceOf(image, index), { width: side, height: side, crop: "center" });
      return { ...loaded, shape: [1, ...loaded.shape] };
    }),
  );
  const latentSide = side / pipeline.vaeScaleFactor;
  const plan = defaultPlan(pipeline, [pipeline.latentChannels, latentSide, latentSide], captions.length);
  const scores = await score(pipeline, {
    images: concatRows(images),
    captions,
    softTokens: options.tokens ?? null,
    strength: options.strength ?? 1,
    timesteps: typeof timesteps === "number" ? evenTimesteps(timesteps) : timesteps,
    noises: options.noises ?? 1,
    seed: options.seed ?? 0,
    pairsPerRun: plan.pairsPerRun,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const own = ownCaptions(options.images.length, captions);
  return { errors: scores.errors, rank1: own && rank1(scores.errors, own) };
}

function sourceOf(image: string | GeneratedImage, index: number): ImageSource {
  if (typeof image === "string") return imageFile(image);
  return { id: `image ${index + 1}`, read: () => image.png() };
}
