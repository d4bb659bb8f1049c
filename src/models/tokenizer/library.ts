/**
 * @file The part of @huggingface/tokenizers that is used here, with its types. The package's own declarations import each
 * other without file endings, which Node's module rules do not resolve: under them everything would be `any`.
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

/** `json` is the content of tokenizer.json; throws Error if it holds a part that the library does not know. */
export function createTokenizer(json: object, endToken: string): LibraryTokenizer {
  return new Tokenizer(json, { eos_token: endToken });
}
