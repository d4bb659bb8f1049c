/** @file A lower bound of a caption's CLIP tokens, for use without a tokenizer. */

/** Tokens that CLIP's text encoders read, including the start and end tokens. */
export const maxClipTokens = 77;

/**
 * A lower bound of a caption's CLIP tokens, including start and end: each run of letters and each digit takes at least one.
 * Above `maxClipTokens` the caption is certainly truncated; below it may be, since long words and punctuation take more.
 */
export function minClipTokens(caption: string): number {
  // The tokenizer decodes numeric HTML entities.
  const pieces = caption.replace(/&#x?[0-9a-f]+;?/gi, " ").match(/\p{L}+|\p{N}/gu);
  return 2 + (pieces?.length ?? 0);
}
