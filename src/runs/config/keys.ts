/** @file Keys of configuration files for the names of `RunSpec`. A flag is the key with two dashes. */

/** Keys that are not the name in kebab case. */
const shortKeys: Readonly<Record<string, string>> = {
  learningRate: "lr",
  minimumLearningRate: "min-lr",
  negativePrompt: "negative",
  pairsPerRun: "chunk",
  referenceLatents: "no-reference",
  samplePrompts: "sample-prompt",
  samplePromptsFile: "sample-prompts",
  tokenizers: "tokenizer",
};

/** `save-every` for `saveEvery`. */
export function keyOf(name: string): string {
  return shortKeys[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
