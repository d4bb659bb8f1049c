/** @file `Model.edit`: an image changed by text. */

import { randomInt } from "node:crypto";
import { editImage } from "../editing/edit-image.js";
import { type EditMethodName, editMethod } from "../editing/index.js";
import type { EditMethod } from "../editing/method.js";
import type { Resize } from "../editing/sizes.js";
import type { OpenPipelineOptions } from "../families/open.js";
import { modelName } from "../pipelines/model-name.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { GeneratedImage } from "../sampling/generated-image.js";
import type { SamplingCache } from "../sampling/sampling-cache.js";
import type { SoftTokens } from "./soft-tokens.js";

/** Everything but `target` has a default. An option that the method does not use is a UsageError. */
export interface EditOptions {
  /** Describes the image as it is; FlowEdit and FlowAlign require it, MasaCtrl can use it. */
  readonly source?: string | undefined;
  /** Describes the edited image. */
  readonly target: string;
  /**
   * A method with its options, such as `flowEdit({ nMax: 33 })`, or the name of one with its defaults. By default inpainting with a
   * mask; without one FlowEdit on Stable Diffusion 3, and image to image on UNets.
   */
  readonly method?: EditMethod | EditMethodName | undefined;
  /** Soft tokens, in every denoiser call; none by default. */
  readonly tokens?: SoftTokens | undefined;
  /** How strongly the tokens act, 0..1 (default 1); see `imageStrength` of `sdEdit` for how much of the image changes. */
  readonly strength?: number | undefined;
  /** Use tokens that were trained on another base model (default false). */
  readonly force?: boolean | undefined;
  readonly negativePrompt?: string | undefined;
  /** 0..2^32-1; chosen at random by default. */
  readonly seed?: number | undefined;
  /** The path of an image whose white pixels may change, or "alpha" for the transparent pixels of the image. */
  readonly mask?: string | undefined;
  /** Pixels by which the mask grows (default 0). */
  readonly maskGrow?: number | undefined;
  /** Pixels inside the mask over which the edited image fades in (default 0). */
  readonly feather?: number | undefined;
  /** Copy the pixels outside the mask from the image (default true). */
  readonly paste?: boolean | undefined;
  /** How the image is brought to the model's size: keep its aspect ratio (default), crop it, or stretch it. */
  readonly resize?: Resize | undefined;
  /** Of the edited image, in pixels; by default the image's own size. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Copy the denoiser's weights into faster layouts (default false): less time per step, more memory. */
  readonly repackWeights?: boolean | undefined;
  /** Stops before the next run of the denoiser with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Denoiser runs done, and their total. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** One line per change to the image or mask that was not asked for, such as another size. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** A prompt that a text encoder did not read to its end. */
  readonly onTruncated?: ((prompt: TruncatedPrompt) => void) | undefined;
}

export interface EditTarget {
  readonly pipeline: DiffusionPipeline;
  readonly cache: SamplingCache;
  /** The path that the model was opened from. */
  readonly path: string;
  readonly files: OpenPipelineOptions;
}

export function edit(
  { pipeline, cache, path, files }: EditTarget,
  image: string | GeneratedImage,
  {
    tokens,
    strength = 1,
    force: _,
    method,
    negativePrompt: negative,
    seed = randomInt(2 ** 31),
    ...options
  }: EditOptions,
): Promise<GeneratedImage> {
  return editImage(pipeline, {
    ...options,
    image,
    negative,
    seed,
    method: typeof method === "string" ? editMethod(method) : method,
    tokens: tokens ? { softTokens: tokens, file: tokens.file ?? "in memory", strength } : null,
    model: modelName(path),
    maxSequenceLength: files.maxSequenceLength,
    variant: files.variant,
    cache,
  });
}
