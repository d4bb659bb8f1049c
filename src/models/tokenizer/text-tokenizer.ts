/** @file What a text encoder is fed: a prompt as a fixed number of token ids. */

/** One prompt, ready for a text encoder. */
export interface EncodedText {
  /** Token ids with start and end tokens, padded to the tokenizer's `maxLength`. */
  readonly ids: number[];
  /** How many of `ids` come before the padding. */
  readonly length: number;
  /** The end of the text that did not fit, as the tokens spell it, for a warning; null if all of it fitted. */
  readonly truncated: string | null;
}

export interface TextTokenizer {
  readonly maxLength: number;
  /** The largest id of its vocabulary, which a text encoder must have an embedding for. */
  readonly largestId: number;
  encode(text: string): EncodedText;
}

/** The ids that frame a prompt; `start` is null for encoders without one (T5). */
export interface FramingIds {
  readonly start: number | null;
  readonly end: number;
  readonly pad: number;
}

/** Puts start and end around the text, cuts the text (never the end token) to fit, and pads. */
export function frame(
  textIds: readonly number[],
  { start, end, pad }: FramingIds,
  maxLength: number,
  decode: (ids: number[]) => string,
): EncodedText {
  const head = start === null ? [] : [start];
  const room = maxLength - head.length - 1;
  const ids = [...head, ...textIds.slice(0, room), end];
  const length = ids.length;
  const cut = textIds.slice(room);
  while (ids.length < maxLength) ids.push(pad);
  return { ids, length, truncated: cut.length === 0 ? null : decode(cut).trim() };
}
