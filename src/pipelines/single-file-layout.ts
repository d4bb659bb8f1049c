/**
 * @file The layout of a family's single-file checkpoints: their networks with key prefixes, and the configuration that cannot
 * be read from the tensors, taken from the diffusers folders of the same models.
 */

import type { OriginalNetwork } from "../models/original/network.js";
import type { WeightSource } from "../weights/source.js";

export interface SingleFileLayout {
  /** Whether a checkpoint belongs to this family, by its keys and shapes. */
  matches(source: WeightSource): boolean;
  /** The denoiser and the autoencoder. */
  readonly networks: readonly OriginalPart[];
  readonly encoders: readonly OriginalEncoder[];
  /** scheduler_config.json */
  readonly scheduler: Readonly<Record<string, unknown>>;
}

/** The properties of a family that opening a single file needs. */
export interface SingleFileFamily {
  /** Its name in messages. */
  readonly title: string;
  /** The pipeline class in model_index.json. */
  readonly className: string;
  /** Null for a family without single files. */
  readonly singleFile: SingleFileLayout | null;
}

/** One network of a checkpoint. */
export interface OriginalPart {
  /** Its name in a diffusers folder. */
  readonly component: string;
  /** Its name in messages. */
  readonly title: string;
  /** Prefix of its keys in the checkpoint. */
  readonly prefix: string;
  readonly read: (source: WeightSource) => OriginalNetwork;
}

/** A text encoder, which a checkpoint may lack. */
export interface OriginalEncoder extends OriginalPart {
  readonly tokenizer: {
    readonly kind: "clip" | "t5";
    /** Its name in a diffusers folder. */
    readonly component: string;
    /** CLIP's pad token. */
    readonly pad?: string;
  };
  /** File names of the encoder as a separate file, the most common first. */
  readonly files: readonly string[];
  /** Whether the pipeline works without it. */
  readonly optional: boolean;
}
