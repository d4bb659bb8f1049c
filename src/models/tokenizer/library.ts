/**
 * @file Types for the used part of @huggingface/tokenizers. The package's declarations import each other without file
 * extensions, which Node's module resolution does not support, so its types would all be `any`.
 */

import { Tokenizer } from "@huggingface/tokenizers";

export interface LibraryNormalizer {
  readonly config: { readonly type: string; readonly precompiled_charsmap?: unknown };
  /** The parts of a "Sequence". */
  readonly normalizers?: readonly (LibraryNormalizer | null)[];
  normalize(text: string): string;
}

export interface LibraryTokenizer {
  readonly normalizer: LibraryNormalizer | null;
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: number[] };
  /** `ids` must not be empty. */
  decode(ids: number[]): string;
  token_to_id(token: string): number | undefined;
}

/** Creates a tokenizer from the content of tokenizer.json. Throws an Error for components that the library does not know. */
export function createTokenizer(json: object, endToken: string): LibraryTokenizer {
  return new Tokenizer(json, { eos_token: endToken });
}
