/** @file How many tokens CLIP makes of a caption at least, for when no tokenizer is at hand. */

/** Tokens that CLIP's text encoders read, their start and end marks included. */
export const clipTokens = 77;

/**
 * The least number of CLIP tokens of a caption, start and end included: each run of letters and each digit takes one or
 * more. Beyond `clipTokens` the caption is certainly cut; below it may be, since long words and punctuation take more.
 */
export function leastClipTokens(caption: string): number {
  // A character written as a number is that character to the tokenizer.
  const pieces = caption.replace(/&#x?[0-9a-f]+;?/gi, " ").match(/\p{L}+|\p{N}/gu);
  return 2 + (pieces?.length ?? 0);
}
