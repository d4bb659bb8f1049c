/** @file Splits in the names of shards (train-00000-of-00004.parquet), by Hugging Face's keywords. */

import { InputError } from "../../core/errors.js";

const words: Readonly<Record<string, string>> = {
  train: "train",
  training: "train",
  test: "test",
  testing: "test",
  eval: "test",
  evaluation: "test",
  val: "validation",
  valid: "validation",
  validation: "validation",
  dev: "validation",
};

/** The split of a file by its path inside the folder; "" if the path names none. */
export function splitOf(name: string): string {
  const parts = name.toLowerCase().split(/[^a-z]+/);
  const known = parts.find((part) => Object.hasOwn(words, part));
  return known === undefined ? "" : (words[known] ?? "");
}

/** Throws an InputError for shards of several splits, to prevent training on a test set. */
export function requireOneSplit(folder: string, shards: readonly string[]): void {
  const splits = new Map<string, string>();
  for (const name of shards) if (!splits.has(splitOf(name))) splits.set(splitOf(name), name);
  if (splits.size < 2) return;
  const found = [...splits].map(([split, name]) => `${split === "" ? "no split" : split} (${name})`).join(", ");
  throw new InputError(`${folder} holds shards of several splits: ${found}; name the files of one, or its folder`);
}
