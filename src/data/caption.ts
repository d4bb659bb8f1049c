/** @file Validates captions of data sets and normalises them for comparison. */

import { InputError } from "../core/errors.js";

/** Longest caption in UTF-16 units; text encoders read a few hundred tokens. */
export const maxCaptionLength = 2 ** 14;

/** The trimmed caption. Throws an InputError that starts with `where` if it is empty or too long. */
export function captionOf(text: string, where: string): string {
  if (text.length > maxCaptionLength) {
    throw new InputError(`${where}: the caption has ${text.length} characters, the limit is ${maxCaptionLength}`);
  }
  if (text.includes("\0")) throw new InputError(`${where}: the caption is not text: it contains NUL characters`);
  const caption = text.trim();
  if (caption === "") throw new InputError(`${where}: the caption is empty`);
  return caption;
}

/** Parses one caption per line; the lines are variants. Skips empty and repeated lines. */
export function captionLines(text: string, where: string): string[] {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new InputError(`${where} is empty`);
  return [...new Set(lines.map((line) => captionOf(line, where)))];
}

/**
 * Normal form for comparing captions: their words in order, without case, punctuation and English articles. "A cat." and "the
 * cat" are equal; "a cat left of a dog" and "a dog left of a cat" are not.
 */
export function normalCaption(caption: string): string {
  const words = wordsOf(caption).filter((word) => !articles.has(word));
  return words.length > 0 ? words.join(" ") : caption.trim();
}

const articles: ReadonlySet<string> = new Set(["a", "an", "the"]);

/** Words without case and punctuation. */
export function wordsOf(text: string): string[] {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .split(/[\s\p{P}]+/u)
    .filter((word) => word !== "");
}
