/** @file The files of a tokenizer folder, checked as they are read. */

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";

/** The text of a file, or null if there is no such file. */
export async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** The text of a file that must be there; `purpose` says what for. */
export async function readRequired(file: string, purpose: string): Promise<string> {
  const text = await readIfPresent(file);
  if (text === null) throw new InputError(`${file} is missing: ${purpose}`);
  return text;
}

/** JSON text in the form that `schema` describes. */
export function parseJson<T>(text: string, schema: z.ZodType<T>, file: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file} is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? ` at ${issue.path.join(".")}` : "";
  throw new InputError(`${file} is not what a tokenizer needs${where}: ${issue?.message ?? "unknown form"}`);
}

/** A special token as transformers stores it: its text alone, or with how it is matched. */
const specialToken = z.union([z.string(), z.looseObject({ content: z.string(), normalized: z.boolean().optional() })]);

const namedTokens = {
  bos_token: specialToken.nullish(),
  eos_token: specialToken.nullish(),
  unk_token: specialToken.nullish(),
  pad_token: specialToken.nullish(),
};

export type SpecialToken = z.infer<typeof specialToken>;

/** special_tokens_map.json */
export const specialTokensMap = z.looseObject(namedTokens);

/** tokenizer_config.json */
export const tokenizerConfig = z.looseObject({
  ...namedTokens,
  model_max_length: z.number().positive().nullish(),
  /** Written since transformers 4.34: every token that is cut out of the text before the vocabulary is asked. */
  added_tokens_decoder: z
    .record(
      z.string().regex(/^\d+$/, "a token id is a whole number"),
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

/** The text of a special token, whichever way it is stored. */
export function contentOf(token: SpecialToken): string {
  return typeof token === "string" ? token : token.content;
}
