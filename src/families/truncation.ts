/** @file Opens only the tokenizers of a pipeline, to check the length of captions. */

import { InputError } from "../core/errors.js";
import type { TextTokenizer } from "../models/tokenizer/index.js";
import { truncatedPrompts } from "../pipelines/clip-part.js";
import { openPipelineClip, openPipelineFolder, openPipelineT5 } from "../pipelines/folder.js";
import { defaultMaxSequenceLength } from "../pipelines/open-options.js";
import type { TruncatedPrompt } from "../pipelines/pipeline.js";
import { isSingleFile, openSingleFile } from "../pipelines/single-file.js";
import { builtInFamilies } from "./index.js";

/**
 * Returns a function that lists how the text encoders of the pipeline at `path` would truncate a prompt; its CLIP encoders
 * truncate alike.
 */
export async function openTruncation(
  path: string,
  maxSequenceLength: number = defaultMaxSequenceLength,
): Promise<(prompt: string) => TruncatedPrompt[]> {
  const folder = await ((await isSingleFile(path))
    ? openSingleFile(path, {}, builtInFamilies)
    : openPipelineFolder(path));
  const readers: { readonly encoder: string; readonly tokenizer: TextTokenizer }[] = [];
  const clip = ["tokenizer", "tokenizer_2"].find((name) => folder.components.has(name));
  if (clip !== undefined) readers.push({ encoder: "CLIP", tokenizer: await openPipelineClip(folder, clip) });
  const t5 = "tokenizer_3";
  if (folder.components.has(t5)) {
    readers.push({ encoder: "T5", tokenizer: await openPipelineT5(folder, t5, maxSequenceLength) });
  }
  if (readers.length === 0) throw new InputError(`${path} has no tokenizer (tokenizer, tokenizer_2, tokenizer_3)`);
  return (prompt) => readers.flatMap(({ encoder, tokenizer }) => truncatedPrompts(prompt, encoder, tokenizer));
}
