/** @file Options for opening a pipeline. */

export interface PipelineFileOptions {
  /** File variant, e.g. fp16; default: the plain files, or the only variant if there are none. */
  readonly variant?: string | undefined;
  /** Tokens that the T5 encoder reads (diffusers' max_sequence_length); default `defaultMaxSequenceLength`. */
  readonly maxSequenceLength?: number | undefined;
  /** For a single file: folders to search for tokenizers, before its own folder and the built-in CLIP tokenizer. */
  readonly tokenizers?: readonly string[] | undefined;
  /** For a single file: a folder with the text encoders that it lacks. */
  readonly textEncoders?: string | undefined;
}

/** As in diffusers. */
export const defaultMaxSequenceLength = 256;
