/** @file Tokenizers: prompts to token ids. */

export { openBertTokenizer } from "./bert.js";
export { openClipTokenizer } from "./clip.js";
export { builtInClipFolder, builtInClipSize } from "./clip-vocabulary.js";
export { openT5Tokenizer } from "./t5.js";
export type { EncodedText, TextTokenizer } from "./text-tokenizer.js";
