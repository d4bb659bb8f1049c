/** @file Captions as data sets hold them: trimmed, not empty, of sane length; and what makes two of them alike. */

import { InputError } from "../core/errors.js";

/** UTF-16 units of the longest caption; text encoders read some hundred tokens. */
export const maxCaptionLength = 2 ** 14;

/** The caption in `text`, trimmed; `where` names the place in messages. */
export function captionOf(text: string, where: string): string {
  if (text.length > maxCaptionLength) {
    throw new InputError(`${where}: the caption has ${text.length} characters, the limit is ${maxCaptionLength}`);
  }
  const caption = text.trim();
  if (caption === "") throw new InputError(`${where}: the caption is empty`);
  return caption;
}

/** One caption a line, as in caption files: every line is a variant; empty lines and repetitions do not count. */
export function captionLines(text: string, where: string): string[] {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new InputError(`${where} is empty`);
  return [...new Set(lines.map((line) => captionOf(line, where)))];
}

/**
 * What two captions must share to count as the same: their words in order, without case, punctuation and the English
 * articles. "A cat." and "the cat" are the same; "a cat left of a dog" and "a dog left of a cat" are not.
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
