/** @file What is asked of an edit. */

import type { TruncatedPrompt } from "../pipelines/pipeline.js";
import type { SamplingCache } from "../sampling/sampling-cache.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import type { EditMethod, PreparedEdit } from "./method.js";
import type { ImageRequest, SourceImage } from "./source-image.js";

export interface EditRequest extends ImageRequest {
  /** Describes the image as it is; for the methods that read it. */
  readonly source?: string | undefined;
  /** Describes the image as it is to be. */
  readonly target: string;
  /** By default inpainting where there is a mask, FlowEdit on Stable Diffusion 3, and image to image on UNets. */
  readonly method?: EditMethod | undefined;
  /** What guidance leads away from (default ""). */
  readonly negative?: string | undefined;
  readonly seed: number;
  /** Soft tokens in every denoiser call; null for the plain model. `file` names them in the settings. */
  readonly tokens: { readonly softTokens: SoftTokens; readonly file: string; readonly strength: number } | null;
  /** Pixels inside the mask's edge over which the edited image fades in (default 0). */
  readonly feather?: number | undefined;
  /** Whether pixels outside of the mask are the image's own bytes (default true), rather than what the autoencoder makes of them. */
  readonly paste?: boolean | undefined;
  /** How the model is called in the settings. */
  readonly model: string;
  readonly maxSequenceLength?: number | undefined;
  readonly variant?: string | undefined;
  /** Keeps compiled denoisers and prompt embeds for later calls; without it they are freed at the end. */
  readonly cache?: SamplingCache | undefined;
  readonly repackWeights?: boolean | undefined;
  /** Stops before the next run of the denoiser with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Denoiser runs done, and all that there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onTruncated?: ((cut: TruncatedPrompt) => void) | undefined;
}

/** An edit that is about to run. */
export interface Edit {
  readonly method: EditMethod;
  readonly prepared: PreparedEdit;
  readonly image: SourceImage;
}
