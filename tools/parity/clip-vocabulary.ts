/** @file Goldens of a CLIP vocabulary without a pipeline: texts with their 77 ids. */

import { z } from "zod";
import { openClipTokenizer, type TextTokenizer } from "#softrepa/models/tokenizer/index.js";
import { type Comparison, limits } from "./compare.js";
import { readJson } from "./golden-file.js";

const ids = z.array(z.int());
const casesSchema = z.array(z.object({ text: z.string(), input_ids: ids, also_accepted: ids.optional() })).nonempty();

/** Accepts `input_ids` or, if present, `also_accepted`. */
export async function* checkVocabulary(folder: string, golden: string): AsyncGenerator<Comparison> {
  const cases = await readJson(folder, golden, casesSchema);
  const tokenizer = await openVocabulary(folder, cases[0].input_ids.at(-1) ?? 0);
  const wrong = cases.filter(({ text, input_ids, also_accepted }) => {
    const given = tokenizer.encode(text).ids.join();
    return input_ids.join() !== given && also_accepted?.join() !== given;
  });
  yield {
    name: "",
    largestAbsolute: wrong.length,
    largestRelative: wrong.length / cases.length,
    limit: limits.exact,
    ok: wrong.length === 0,
    remark: wrong.length === 0 ? `${cases.length} texts` : `wrong: ${JSON.stringify(wrong[0].text)}`,
  };
}

/** Opens a tokenizer from vocabulary and merges only; `pad` is the id of the padding token. */
async function openVocabulary(folder: string, pad: number): Promise<TextTokenizer> {
  const vocabulary = await readJson(folder, "vocab.json", z.record(z.string(), z.int()));
  const padToken = Object.keys(vocabulary).find((token) => vocabulary[token] === pad);
  // The vocabulary has "!" with and without the end-of-word mark; the padding token is the one without.
  return openClipTokenizer(folder, padToken?.replace("</w>", "") ?? "<|endoftext|>");
}
