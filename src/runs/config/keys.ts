/** @file Keys of configuration files, by the names of `RunSpec`. A command line's flag is the key with two dashes. */

/** Where the two differ by more than dashes. */
const shortKeys: Readonly<Record<string, string>> = {
  learningRate: "lr",
  minimumLearningRate: "min-lr",
  pairsPerRun: "chunk",
  samplePrompts: "sample-prompt",
  samplePromptsFile: "sample-prompts",
  tokenizers: "tokenizer",
};

/** `save-every` of `saveEvery`. */
export function keyOf(name: string): string {
  return shortKeys[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
