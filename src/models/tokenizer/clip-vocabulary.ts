/** @file CLIP's vocabulary: the merges built into this package, and the ids derived from them. */

import { fileURLToPath } from "node:url";

/** Folder with the merges.txt of OpenAI's CLIP, which all CLIP text encoders of Stable Diffusion share; see its README. */
export const builtInClipFolder = fileURLToPath(new URL("../../../assets/clip-tokenizer", import.meta.url));

/** Number of tokens in CLIP's vocabulary. */
export const builtInClipSize = 49408;

export const endOfWord = "</w>";
/** The start and end tokens. */
export const markers = ["<|startoftext|>", "<|endoftext|>"] as const;

/**
 * Token ids in the order of OpenAI's tokenizer (CLIP, clip/simple_tokenizer.py): bytes, bytes that end a word, merges, markers.
 */
export function vocabularyOf(merges: readonly (readonly [string, string])[]): Record<string, number> {
  const tokens = [
    ...byteLetters,
    ...byteLetters.map((letter) => letter + endOfWord),
    ...merges.map(([left, right]) => left + right),
    ...markers,
  ];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** CLIP's printable letters for the 256 bytes: printable Latin-1 first, then U+0100 and up for the other bytes. */
const byteLetters: readonly string[] = [
  ...lettersBetween(0x21, 0x7e),
  ...lettersBetween(0xa1, 0xac),
  ...lettersBetween(0xae, 0xff),
  ...lettersBetween(0x100, 0x143),
];

function lettersBetween(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => String.fromCharCode(first + i));
}
