/** @file The inputs of an edit. */

import type { TruncatedPrompt } from "../pipelines/pipeline.js";
import type { SamplingCache } from "../sampling/sampling-cache.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import type { EditMethod, PreparedEdit } from "./method.js";
import type { ImageRequest, SourceImage } from "./source-image.js";

export interface EditRequest extends ImageRequest {
  /** Describes the unedited image, for the methods that use it. */
  readonly source?: string | undefined;
  /** Describes the edited image. */
  readonly target: string;
  /** Default: inpainting with a mask; without one FlowEdit on Stable Diffusion 3, and image to image on UNets. */
  readonly method?: EditMethod | undefined;
  /** Negative prompt (default ""). */
  readonly negative?: string | undefined;
  readonly seed: number;
  /** Soft tokens, used in every denoiser call; null for the plain model. The settings record `file`. */
  readonly tokens: { readonly softTokens: SoftTokens; readonly file: string; readonly strength: number } | null;
  /** Pixels inside the mask over which the edited image fades in (default 0). */
  readonly feather?: number | undefined;
  /** Copy the pixels outside the mask from the image (default true), instead of decoding them. */
  readonly paste?: boolean | undefined;
  /** The model's name in the settings. */
  readonly model: string;
  readonly maxSequenceLength?: number | undefined;
  readonly variant?: string | undefined;
  /** Keeps compiled denoisers and prompt embeds for later calls; by default they are freed at the end. */
  readonly cache?: SamplingCache | undefined;
  readonly repackWeights?: boolean | undefined;
  /** Stops before the next denoiser run with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Receives the number of denoiser runs done, and their total. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onTruncated?: ((cut: TruncatedPrompt) => void) | undefined;
}

/** A prepared method and its image. */
export interface Edit {
  readonly method: EditMethod;
  readonly prepared: PreparedEdit;
  readonly image: SourceImage;
}
