/**
 * @file The byte-pair tokenizer of CLIP text encoders, from a diffusers `tokenizer/` folder.
 *
 * Such a folder has vocab.json and merges.txt, the files of transformers' "slow" tokenizers, and usually no tokenizer.json. The
 * other settings are the same for every CLIP model and defined here, as in transformers' CLIPTokenizer with the package ftfy
 * (see fix-text.ts), the tokenizer in the model_index.json of such pipelines. CLIPTokenizerFast differs in ftfy's fixes
 * (ligatures, curly quotes, full-width letters), in how it finds special tokens, and in a final sigma. (Mojibake is not fixed
 * here.)
 */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { endOfWord, markers, vocabularyOf } from "./clip-vocabulary.js";
import {
  addedTokensFile,
  contentOf,
  parseJson,
  readIfPresent,
  readRequired,
  type SpecialToken,
  specialTokensMap,
  type TokenizerConfig,
  tokenizerConfig,
} from "./files.js";
import { fixText } from "./fix-text.js";
import { createTokenizer } from "./library.js";
import { frame, type TextTokenizer } from "./text-tokenizer.js";

const clipPositions = 77;
/**
 * Contractions, runs of letters, single digits, runs of anything else; whitespace is dropped. transformers ignores case here,
 * by which Python treats a long s as an s, and U+0345, whose capital is a letter, as neither a letter nor anything else.
 */
const words = String.raw`'[sſ]|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}\u0345]+`;

/** The parts of a CLIP tokenizer.json that differ between models; older versions write a merge as one text. */
const tokenizerJson = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().min(0), content: z.string().min(1) })).default([]),
  model: z.looseObject({
    type: z.literal("BPE").optional(),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(
      z.union([
        z.tuple([z.string(), z.string()]),
        z
          .string()
          .regex(/^[^ ]+ [^ ]+$/)
          .transform((pair): [string, string] => [pair.split(" ")[0] ?? "", pair.split(" ")[1] ?? ""]),
      ]),
    ),
  }),
});

const vocabularySchema = z.record(z.string(), z.int().min(0));

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly normalized: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
  readonly special: boolean;
}

/**
 * Opens the tokenizer in `folder` (vocab.json, merges.txt, tokenizer_config.json and, in older models,
 * special_tokens_map.json). With `pad`, the pad token, only vocab.json and merges.txt are read, since the other settings are
 * the same for every model; without a vocab.json, the ids are derived from the merges. Throws an InputError if files are
 * missing or inconsistent.
 */
export async function openClipTokenizer(folder: string, pad?: string): Promise<TextTokenizer> {
  const vocabFile = join(folder, "vocab.json");
  const mergesFile = join(folder, "merges.txt");
  const configFile = join(folder, "tokenizer_config.json");
  const rest = pad === undefined ? "vocab.json, merges.txt and tokenizer_config.json" : "vocab.json and merges.txt";
  const purpose = `a CLIP tokenizer needs ${rest}`;
  const jsonFile = join(folder, "tokenizer.json");
  const [vocabText, mergesText, jsonText, { config, map, extra }] = await Promise.all([
    readIfPresent(vocabFile),
    readIfPresent(mergesFile),
    readIfPresent(jsonFile),
    pad === undefined
      ? readSettings(folder, purpose)
      : ({ config: { pad_token: pad }, map: {}, extra: {} } satisfies Settings as Settings),
  ]);
  const isWhole = mergesText !== null && (vocabText !== null || pad !== undefined);
  // transformers 5 writes tokenizer.json alone. The separate files take precedence, as in CLIPTokenizer.
  const json = isWhole || jsonText === null ? null : parseJson(jsonText, tokenizerJson, jsonFile);
  const merges = json?.model.merges ?? parseMerges(mergesText ?? (await readRequired(mergesFile, purpose)), mergesFile);
  const vocab =
    json?.model.vocab ??
    (vocabText === null && pad !== undefined
      ? vocabularyOf(merges)
      : parseJson(vocabText ?? (await readRequired(vocabFile, purpose)), vocabularySchema, vocabFile));
  const named = namedTokens(config, map);

  const inJson = (json?.added_tokens ?? []).map(({ content, id }): [string, number] => [content, id]);
  const ids = new Map([...Object.entries(vocab), ...inJson, ...Object.entries(extra)]);
  const further = [...(config.additional_special_tokens ?? []), ...(map.additional_special_tokens ?? [])];
  const listed = [...Object.values(named), ...inJson.map(([content]) => content), ...Object.keys(extra), ...further];
  const added = addedTokens(config, listed, ids, vocabFile);
  checkMerges(vocab, merges, new Set(added.map(({ content }) => content)), mergesFile);
  const tokenizer = createTokenizer(
    {
      added_tokens: added,
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "NFC" }, // replaced by fixText, below
          { type: "Replace", pattern: { Regex: String.raw`\s+` }, content: " " },
          { type: "Lowercase" },
        ],
      },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: words }, behavior: "Removed", invert: true },
          { type: "ByteLevel", add_prefix_space: false, use_regex: false },
        ],
      },
      model: { type: "BPE", vocab, merges, unk_token: contentOf(named.unk_token), end_of_word_suffix: endOfWord },
      post_processor: null,
      decoder: { type: "ByteLevel" },
    },
    contentOf(named.eos_token),
  );
  for (const part of tokenizer.normalizer?.normalizers ?? []) {
    if (part?.config.type === "NFC") part.normalize = fixText;
  }

  const idOf = (token: SpecialToken): number => {
    const content = contentOf(token);
    const id = tokenizer.token_to_id(content);
    if (id === undefined) throw new InputError(`${vocabFile} has no entry for the special token ${content}`);
    return id;
  };
  const specialIds = { start: idOf(named.bos_token), end: idOf(named.eos_token), pad: idOf(named.pad_token) };
  const maxLength = positions(config, configFile);
  const allIds = [...Object.values(vocab), ...added.map(({ id }) => id)];
  return {
    maxLength,
    largestId: allIds.reduce((largest, id) => Math.max(largest, id), 0),
    encode: (text) =>
      frame(tokenizer.encode(text, { add_special_tokens: false }).ids, specialIds, maxLength, (cut) =>
        tokenizer.decode(cut),
      ),
  };
}

interface Settings {
  readonly config: TokenizerConfig;
  readonly map: z.infer<typeof specialTokensMap>;
  /** Ids of added_tokens.json. */
  readonly extra: Readonly<Record<string, number>>;
}

/** Reads the folder's special tokens and length. */
async function readSettings(folder: string, purpose: string): Promise<Settings> {
  const configFile = join(folder, "tokenizer_config.json");
  const mapFile = join(folder, "special_tokens_map.json");
  const config = parseJson(await readRequired(configFile, purpose), tokenizerConfig, configFile);
  const mapText = await readIfPresent(mapFile);
  const addedFile = join(folder, "added_tokens.json");
  const addedText = await readIfPresent(addedFile);
  return {
    config,
    map: mapText === null ? {} : parseJson(mapText, specialTokensMap, mapFile),
    // Ignored if tokenizer_config.json lists the tokens, as in transformers.
    extra: addedText === null || config.added_tokens_decoder ? {} : parseJson(addedText, addedTokensFile, addedFile),
  };
}

type NamedTokens = Record<"bos_token" | "eos_token" | "unk_token" | "pad_token", SpecialToken>;

/**
 * The special tokens by transformers' rules: from tokenizer_config.json alone if it lists the added tokens; in older folders,
 * special_tokens_map.json takes precedence.
 */
function namedTokens(config: TokenizerConfig, map: z.infer<typeof specialTokensMap>): NamedTokens {
  const name = (key: keyof NamedTokens, usual: string): SpecialToken =>
    (config.added_tokens_decoder ? undefined : map[key]) ?? config[key] ?? usual;
  return {
    bos_token: name("bos_token", "<|startoftext|>"),
    eos_token: name("eos_token", "<|endoftext|>"),
    unk_token: name("unk_token", "<|endoftext|>"),
    pad_token: name("pad_token", "<|endoftext|>"),
  };
}

/**
 * The tokens that are recognised verbatim in a text. They include the pad token: if it is "!", each "!" in a prompt is that
 * token, and "!!" is two of it, not the vocabulary's "!!". They are matched before the text is fixed and lowercased, regardless
 * of their settings; the markers once more afterwards.
 */
function addedTokens(
  config: TokenizerConfig,
  named: readonly SpecialToken[],
  ids: ReadonlyMap<string, number>,
  vocabFile: string,
): AddedToken[] {
  const added = new Map<string, AddedToken>();
  for (const [id, token] of Object.entries(config.added_tokens_decoder ?? {})) {
    added.set(token.content, { ...token, id: Number(id), normalized: false });
  }
  for (const token of named) {
    const content = contentOf(token);
    if (added.has(content)) continue;
    const id = ids.get(content);
    if (id === undefined) throw new InputError(`${vocabFile} has no entry for the special token ${content}`);
    const exactly = { normalized: false, lstrip: false, rstrip: false, single_word: false };
    added.set(content, { id, content, special: true, ...exactly });
  }
  // Case-insensitive, since they are part of CLIPTokenizer's word pattern.
  const fixed = markers.flatMap((marker) => added.get(marker) ?? []).map((token) => ({ ...token, normalized: true }));
  return [...added.values(), ...fixed];
}

/** Parses the pairs of merges.txt, in order of priority, after its `#version` line. */
function parseMerges(text: string, file: string): [string, string][] {
  const merges: [string, string][] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (index === 0 || line.trim() === "") continue;
    const [left, right, ...more] = line.trimEnd().split(" ");
    if (!left || !right || more.length > 0) {
      throw new InputError(`${file} line ${index + 1} is not two tokens separated by a space`);
    }
    merges.push([left, right]);
  }
  return merges;
}

/** Checks the merges against the vocabulary, since a truncated file still parses but would silently give other ids. */
function checkMerges(
  vocab: Readonly<Record<string, number>>,
  merges: readonly [string, string][],
  added: ReadonlySet<string>,
  file: string,
): void {
  const made = new Set(merges.map(([left, right]) => left + right));
  const isLetter = (token: string): boolean =>
    [...token.slice(0, token.endsWith(endOfWord) ? -4 : undefined)].length === 1;
  const unmade = Object.keys(vocab).filter((token) => !made.has(token) && !added.has(token) && !isLetter(token));
  if (unmade.length > 0) {
    throw new InputError(
      `${file} does not fit vocab.json, ${unmade.length} entries have no merge, such as ${unmade[0]}`,
    );
  }
  for (const token of made) {
    if (vocab[token] === undefined) throw new InputError(`${file} makes ${token}, which vocab.json does not have`);
  }
}

/** transformers writes 1e30 for an unknown length; every CLIP text encoder of a diffusion model has 77 positions. */
function positions(config: TokenizerConfig, file: string): number {
  const length = config.model_max_length ?? clipPositions;
  if (length > 1e6) return clipPositions;
  if (!Number.isInteger(length) || length < 3)
    throw new InputError(`${file}: model_max_length ${length} is not usable`);
  return length;
}
