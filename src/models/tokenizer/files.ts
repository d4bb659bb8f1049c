/** @file Reads and validates the files of a tokenizer folder. */

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { parsePythonJson } from "../../core/python-json.js";

/** Reads a text file; null if it does not exist. */
export async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** Reads a required text file. Throws an InputError that ends with `purpose` if it is missing. */
export async function readRequired(file: string, purpose: string): Promise<string> {
  const text = await readIfPresent(file);
  if (text === null) throw new InputError(`${file} is missing: ${purpose}`);
  return text;
}

/** Parses JSON text with `schema`. */
export function parseJson<T>(text: string, schema: z.ZodType<T>, file: string): T {
  let value: unknown;
  try {
    value = parsePythonJson(text);
  } catch (error) {
    throw new InputError(`${file} is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? ` at ${issue.path.join(".")}` : "";
  throw new InputError(`${file} is not what a tokenizer needs${where}: ${issue?.message ?? "unknown form"}`);
}

/** A special token as stored by transformers: its text, or its text with matching options. */
const specialToken = z.union([z.string(), z.looseObject({ content: z.string(), normalized: z.boolean().optional() })]);

const namedTokens = {
  bos_token: specialToken.nullish(),
  eos_token: specialToken.nullish(),
  unk_token: specialToken.nullish(),
  pad_token: specialToken.nullish(),
};

export type SpecialToken = z.infer<typeof specialToken>;

/** special_tokens_map.json */
export const specialTokensMap = z.looseObject({
  ...namedTokens,
  additional_special_tokens: z.array(specialToken).nullish(),
});

/** added_tokens.json, which folders saved before transformers 4.34 have: the id of each token that is not in the vocabulary. */
export const addedTokensFile = z.record(z.string().min(1), z.int().min(0));

/** tokenizer_config.json */
export const tokenizerConfig = z.looseObject({
  ...namedTokens,
  model_max_length: z.number().positive().nullish(),
  additional_special_tokens: z.array(specialToken).nullish(),
  /** Written since transformers 4.34: the tokens that are split off a text before the vocabulary is applied. */
  added_tokens_decoder: z
    .record(
      z.string().regex(/^\d+$/, "a token id is an integer"),
      z.looseObject({
        content: z.string().min(1),
        lstrip: z.boolean().default(false),
        normalized: z.boolean().default(true),
        rstrip: z.boolean().default(false),
        single_word: z.boolean().default(false),
        special: z.boolean().default(false),
      }),
    )
    .optional(),
});

export type TokenizerConfig = z.infer<typeof tokenizerConfig>;

/** The text of a special token. */
export function contentOf(token: SpecialToken): string {
  return typeof token === "string" ? token : token.content;
}
