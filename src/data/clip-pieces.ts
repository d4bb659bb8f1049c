/** @file How many tokens CLIP makes of a caption at least, for when no tokenizer is at hand. */

/** Tokens that CLIP's text encoders read, their start and end marks included. */
export const clipTokens = 77;

/** Contractions, runs of letters, single digits, runs of anything else: CLIP's pattern of words. */
const pieces = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

/**
 * The least number of CLIP tokens of a caption, start and end included: every word, digit and run of punctuation takes one
 * or more. Beyond `clipTokens` the caption is certainly cut; below it may be.
 */
export function leastClipTokens(caption: string): number {
  return 2 + (caption.match(pieces)?.length ?? 0);
}
