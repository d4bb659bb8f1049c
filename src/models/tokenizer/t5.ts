/** @file The unigram tokenizer of T5 text encoders, from a diffusers `tokenizer_3/` folder with a tokenizer.json. */

import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { CharsMap } from "./charsmap.js";
import { contentOf, parseJson, readIfPresent, readRequired, tokenizerConfig } from "./files.js";
import { createTokenizer, type LibraryNormalizer, type LibraryTokenizer } from "./library.js";
import { frame, type TextTokenizer } from "./text-tokenizer.js";

/** The required parts of tokenizer.json; the tokenizer library validates their content. */
const tokenizerJson = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().min(0), content: z.string() })),
  normalizer: z.looseObject({ type: z.string() }).nullable(),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullable(),
  post_processor: z.looseObject({ type: z.string() }).nullable(),
  decoder: z.looseObject({ type: z.string() }).nullable(),
  model: z.looseObject({
    type: z.literal("Unigram").optional(),
    unk_id: z.int().min(0),
    vocab: z.array(z.tuple([z.string(), z.number()])).min(1),
  }),
});

/** Opens the tokenizer in `folder` (tokenizer.json and tokenizer_config.json); encodes prompts to `maxLength` ids. */
export async function openT5Tokenizer(folder: string, maxLength: number): Promise<TextTokenizer> {
  if (!Number.isInteger(maxLength) || maxLength < 1) throw new RangeError(`openT5Tokenizer: maxLength ${maxLength}`);
  const jsonFile = join(folder, "tokenizer.json");
  const configFile = join(folder, "tokenizer_config.json");
  const jsonText = await readIfPresent(jsonFile);
  if (jsonText === null) {
    const slow = (await readIfPresent(join(folder, "spiece.model"))) !== null;
    throw new InputError(
      slow
        ? `${jsonFile} is missing: spiece.model alone is not supported; save the tokenizer with transformers as T5TokenizerFast`
        : `${jsonFile} is missing: a T5 tokenizer needs tokenizer.json and tokenizer_config.json`,
    );
  }
  const json = parseJson(jsonText, tokenizerJson, jsonFile);
  const config = parseJson(
    await readRequired(configFile, "a T5 tokenizer needs tokenizer.json and tokenizer_config.json"),
    tokenizerConfig,
    configFile,
  );
  const endToken = contentOf(config.eos_token ?? "</s>");
  const padToken = contentOf(config.pad_token ?? "<pad>");
  let tokenizer: LibraryTokenizer;
  try {
    tokenizer = createTokenizer(json, endToken);
  } catch (error) {
    throw new InputError(`${jsonFile} cannot be used: ${messageOf(error)}`, { cause: error });
  }
  useCharsMaps(tokenizer.normalizer, jsonFile);
  const idOf = (token: string): number => {
    const id = tokenizer.token_to_id(token);
    if (id === undefined) throw new InputError(`${jsonFile} has no entry for the special token ${token}`);
    return id;
  };
  const ids = { start: null, end: idOf(endToken), pad: idOf(padToken) };
  return {
    maxLength,
    largestId: json.added_tokens.reduce((largest, { id }) => Math.max(largest, id), json.model.vocab.length - 1),
    encode: (text) =>
      frame(tokenizer.encode(text, { add_special_tokens: false }).ids, ids, maxLength, (cut) => tokenizer.decode(cut)),
  };
}

/** Replaces the library's approximation by the model's character table. */
function useCharsMaps(normalizer: LibraryNormalizer | null, file: string): void {
  for (const part of normalizer?.normalizers ?? []) useCharsMaps(part, file);
  const table = normalizer?.config.precompiled_charsmap;
  if (normalizer?.config.type !== "Precompiled" || typeof table !== "string") return;
  const map = new CharsMap(table, file);
  normalizer.normalize = (text) => map.normalize(text);
}
