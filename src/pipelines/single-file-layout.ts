/**
 * @file How the single-file checkpoints of a family look: which networks they hold under which prefix, and what their tensors do
 * not tell, as the configurations of the same models in diffusers folders have it.
 */

import type { OriginalNetwork } from "../models/original/network.js";
import type { WeightSource } from "../weights/source.js";

export interface SingleFileLayout {
  /** Whether a checkpoint is of this family, by its keys and shapes. */
  matches(source: WeightSource): boolean;
  /** Denoiser and autoencoder. */
  readonly networks: readonly OriginalPart[];
  readonly encoders: readonly OriginalEncoder[];
  /** scheduler_config.json */
  readonly scheduler: Readonly<Record<string, unknown>>;
}

/** A family, as far as opening a single file has to know it. */
export interface SingleFileFamily {
  /** Its name in messages. */
  readonly title: string;
  /** The class that model_index.json of the same model names. */
  readonly className: string;
  /** Null for a family that has no such files. */
  readonly singleFile: SingleFileLayout | null;
}

/** One network of a checkpoint. */
export interface OriginalPart {
  /** Its name in a diffusers folder. */
  readonly component: string;
  /** Its name in messages. */
  readonly title: string;
  /** In front of its keys, in the checkpoint. */
  readonly prefix: string;
  readonly read: (source: WeightSource) => OriginalNetwork;
}

/** A text encoder, which a checkpoint may lack. */
export interface OriginalEncoder extends OriginalPart {
  readonly tokenizer: {
    readonly kind: "clip" | "t5";
    /** Its name in a diffusers folder. */
    readonly component: string;
    /** The token that pads CLIP's texts. */
    readonly pad?: string;
  };
  /** Names that it has where each encoder is a file of its own, the likeliest first. */
  readonly files: readonly string[];
  /** Whether the pipeline can do without. */
  readonly optional: boolean;
}
