/** @file Encodes a prompt as a fixed number of token ids. */

/** One prompt as the input of a text encoder. */
export interface EncodedText {
  /** Token ids with start and end tokens, padded to the tokenizer's `maxLength`. */
  readonly ids: number[];
  /** Number of `ids` before the padding. */
  readonly length: number;
  /** The removed end of the text, decoded from its tokens, for a warning; null if the text was not truncated. */
  readonly truncated: string | null;
}

export interface TextTokenizer {
  readonly maxLength: number;
  /** The largest id of its vocabulary, for which the text encoder must have an embedding. */
  readonly largestId: number;
  encode(text: string): EncodedText;
}

/** The special ids around a prompt; `start` is null for encoders without one (T5). */
export interface FramingIds {
  readonly start: number | null;
  readonly end: number;
  readonly pad: number;
}

/** Adds start and end tokens, truncates the text (never the end token) and pads. */
export function frame(
  textIds: readonly number[],
  { start, end, pad }: FramingIds,
  maxLength: number,
  decode: (ids: number[]) => string,
): EncodedText {
  const head = start === null ? [] : [start];
  const capacity = maxLength - head.length - 1;
  const ids = [...head, ...textIds.slice(0, capacity), end];
  const length = ids.length;
  const cut = textIds.slice(capacity);
  while (ids.length < maxLength) ids.push(pad);
  return { ids, length, truncated: cut.length === 0 ? null : decode(cut).trim() };
}
