/** @file What can be chosen when a pipeline is opened. */

export interface OpenOptions {
  /** File variant, e.g. fp16; by default the plain files, or the only variant there is. */
  readonly variant?: string | undefined;
  /** Tokens that the T5 encoder reads (diffusers' max_sequence_length); default `defaultMaxSequenceLength`. */
  readonly maxSequenceLength?: number | undefined;
  /** For a single file: folders to look for tokenizers in, before those that lie beside it and CLIP's own, which is built in. */
  readonly tokenizers?: readonly string[] | undefined;
  /** For a single file: a folder with the text encoders that it lacks. */
  readonly textEncoders?: string | undefined;
}

/** diffusers' */
export const defaultMaxSequenceLength = 256;
