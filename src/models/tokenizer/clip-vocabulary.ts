/** @file CLIP's own vocabulary: the merges that come with this package, and the ids that follow from them. */

import { fileURLToPath } from "node:url";

/** Folder with the merges.txt of OpenAI's CLIP, which all CLIP text encoders of Stable Diffusion share; see its README. */
export const builtInClipFolder = fileURLToPath(new URL("../../../assets/clip-tokenizer", import.meta.url));

/** Tokens of that vocabulary. */
export const builtInClipSize = 49408;

export const endOfWord = "</w>";
/** What starts and what ends a text. */
export const markers = ["<|startoftext|>", "<|endoftext|>"] as const;

/** Token to id as OpenAI's tokenizer (CLIP, clip/simple_tokenizer.py) numbers them: bytes, bytes that end a word, merges, markers. */
export function vocabularyOf(merges: readonly (readonly [string, string])[]): Record<string, number> {
  const tokens = [
    ...byteLetters,
    ...byteLetters.map((letter) => letter + endOfWord),
    ...merges.map(([left, right]) => left + right),
    ...markers,
  ];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** Its printable stand-ins for the 256 bytes: printable Latin-1 first, then U+0100 and so on for the other bytes. */
const byteLetters: readonly string[] = [
  ...lettersBetween(0x21, 0x7e),
  ...lettersBetween(0xa1, 0xac),
  ...lettersBetween(0xae, 0xff),
  ...lettersBetween(0x100, 0x143),
];

function lettersBetween(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => String.fromCharCode(first + i));
}
