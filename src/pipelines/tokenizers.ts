/** @file The tokenizers of a pipeline folder without its weights, for whoever only wants to know how long a caption is. */

import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { openClipTokenizer, openT5Tokenizer, type TextTokenizer } from "../models/tokenizer/index.js";
import { openPipelineFolder } from "./folder.js";
import type { TruncatedPrompt } from "./pipeline.js";

/** diffusers' max_sequence_length. */
const defaultT5Length = 256;

/** Says what the text encoders of the pipeline in `path` would cut off of a prompt; both CLIP encoders cut alike. */
export async function openTruncation(
  path: string,
  maxSequenceLength: number = defaultT5Length,
): Promise<(prompt: string) => TruncatedPrompt[]> {
  const { components } = await openPipelineFolder(path);
  const readers: { readonly encoder: string; readonly tokenizer: TextTokenizer }[] = [];
  const clip = ["tokenizer", "tokenizer_2"].find((name) => components.has(name));
  if (clip !== undefined) readers.push({ encoder: "CLIP", tokenizer: await openClipTokenizer(join(path, clip)) });
  if (components.has("tokenizer_3")) {
    readers.push({ encoder: "T5", tokenizer: await openT5Tokenizer(join(path, "tokenizer_3"), maxSequenceLength) });
  }
  if (readers.length === 0) throw new InputError(`${path} has no tokenizer (tokenizer, tokenizer_2, tokenizer_3)`);
  return (prompt) =>
    readers.flatMap(({ encoder, tokenizer }) => {
      const { truncated: cut } = tokenizer.encode(prompt);
      return cut === null ? [] : [{ prompt, encoder, limit: tokenizer.maxLength, cut }];
    });
}
