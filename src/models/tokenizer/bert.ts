/** @file The WordPiece tokenizer of uncased BERT (arXiv 1810.04805), from its vocab.txt or tokenizer.json. */

import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { parseJson, readIfPresent } from "./files.js";
import { createTokenizer, type LibraryTokenizer } from "./library.js";
import { frame, type TextTokenizer } from "./text-tokenizer.js";

const specials = { pad: "[PAD]", unknown: "[UNK]", start: "[CLS]", end: "[SEP]", mask: "[MASK]" } as const;

const tokenizerJson = z.looseObject({
  model: z.looseObject({ type: z.literal("WordPiece").optional(), vocab: z.record(z.string(), z.int().min(0)) }),
});

/** Opens the tokenizer in `folder`; encodes texts to `maxLength` ids, between [CLS] and [SEP]. */
export async function openBertTokenizer(folder: string, maxLength: number): Promise<TextTokenizer> {
  const listFile = join(folder, "vocab.txt");
  const jsonFile = join(folder, "tokenizer.json");
  const list = await readIfPresent(listFile);
  const json = list === null ? await readIfPresent(jsonFile) : null;
  if (list === null && json === null) {
    throw new InputError(`${folder} has neither vocab.txt nor tokenizer.json: one of bert-base-uncased is needed`);
  }
  const file = list === null ? jsonFile : listFile;
  const vocab =
    list === null
      ? parseJson(json ?? "", tokenizerJson, jsonFile).model.vocab
      : Object.fromEntries(parseList(list).map((token, id) => [token, id]));
  const idOf = (token: string): number => {
    const id = vocab[token];
    if (id === undefined) throw new InputError(`${file} has no entry for the special token ${token}`);
    return id;
  };
  const ids = { start: idOf(specials.start), end: idOf(specials.end), pad: idOf(specials.pad) };
  idOf(specials.unknown);
  const tokenizer = open(vocab, file);
  return {
    maxLength,
    largestId: Object.values(vocab).reduce((largest, id) => Math.max(largest, id), 0),
    encode: (text) =>
      frame(tokenizer.encode(text, { add_special_tokens: false }).ids, ids, maxLength, (cut) => tokenizer.decode(cut)),
  };
}

/** One token per line, numbered from 0; the last line may be empty. */
function parseList(text: string): string[] {
  const lines = text.split(/\r\n|\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function open(vocab: Readonly<Record<string, number>>, file: string): LibraryTokenizer {
  // Their spelling in a text is parsed as the special token.
  const added = Object.values(specials).flatMap((content) => {
    const id = vocab[content];
    const exactly = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    return id === undefined ? [] : [{ id, content, ...exactly }];
  });
  try {
    return createTokenizer(
      {
        added_tokens: added,
        normalizer: {
          type: "BertNormalizer",
          clean_text: true,
          handle_chinese_chars: true,
          strip_accents: null,
          lowercase: true,
        },
        pre_tokenizer: { type: "BertPreTokenizer" },
        model: {
          type: "WordPiece",
          vocab,
          unk_token: specials.unknown,
          continuing_subword_prefix: "##",
          max_input_chars_per_word: 100,
        },
        post_processor: null,
        decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      },
      specials.end,
    );
  } catch (error) {
    throw new InputError(`${file} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}
