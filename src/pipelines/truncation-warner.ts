/** @file Warnings about truncated prompts. */

import { shorten } from "../core/text.js";
import type { TruncatedPrompt } from "./pipeline.js";

/** Warns once for each prompt and encoder. */
export function truncationWarner(warn: (message: string) => void): (truncated: TruncatedPrompt) => void {
  const warned = new Set<string>();
  return ({ prompt, encoder, limit, cut }) => {
    const key = `${encoder} ${prompt}`;
    if (warned.has(key)) return;
    warned.add(key);
    warn(`the prompt "${shorten(prompt, 40)}" is over the ${limit} tokens that ${encoder} reads; cut off: "${cut}"`);
  };
}
