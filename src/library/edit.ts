/** @file `Model.edit`: edits an image according to a prompt. */

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

/** Only `target` is required. Options that the method does not use cause a UsageError. */
export interface EditOptions {
  /** Describes the original image; required by FlowEdit and FlowAlign, optional for MasaCtrl. */
  readonly source?: string | undefined;
  /** Describes the edited image. */
  readonly target: string;
  /**
   * A method with options, e.g. `flowEdit({ nMax: 33 })`, or a name for its defaults. Default: inpainting if there is a mask, otherwise
   * FlowEdit on Stable Diffusion 3 and image-to-image (SDEdit) on UNets.
   */
  readonly method?: EditMethod | EditMethodName | undefined;
  /** Used in every denoiser call (default: none). */
  readonly tokens?: SoftTokens | undefined;
  /** 0..1, the weight of the tokens' effect (default 1). The option `imageStrength` of `sdEdit` is the strength of the edit. */
  readonly strength?: number | undefined;
  /** Use tokens that were trained on another base model (default false). */
  readonly force?: boolean | undefined;
  readonly negativePrompt?: string | undefined;
  /** Seed of the noise, 0..2^32-1 (default: random). */
  readonly seed?: number | undefined;
  /** The path of an image whose white pixels may change, or "alpha" for the transparent pixels of the image. */
  readonly mask?: string | undefined;
  /** Pixels by which the mask grows (default 0). */
  readonly maskGrow?: number | undefined;
  /** Width in pixels of the blend inside the edge of the mask (default 0). */
  readonly feather?: number | undefined;
  /** Copy the pixels outside the mask from the image (default true). */
  readonly paste?: boolean | undefined;
  /** How to resize the image to the model's size: keep its aspect ratio (default), crop it, or stretch it. */
  readonly resize?: Resize | undefined;
  /** Size of the edited image in pixels (default: that of the image). */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Copy the denoiser's weights into faster layouts (default false): less time per step, more memory. */
  readonly repackWeights?: boolean | undefined;
  /** Stops before the next run of the denoiser with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the finished and total runs of the denoiser. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called with a line of text for each implicit change to the image or mask, e.g. another size. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Called if a text encoder truncates a prompt. */
  readonly onTruncated?: ((prompt: TruncatedPrompt) => void) | undefined;
}

export interface EditTarget {
  readonly pipeline: DiffusionPipeline;
  readonly cache: SamplingCache;
  /** The path of the opened model. */
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
