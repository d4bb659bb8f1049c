/** @file Splits in the names of shards (train-00000-of-00004.parquet), as Hugging Face tells them by words. */

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

/** The split that a file belongs to by its path inside the folder, "" where nothing tells. */
export function splitOf(name: string): string {
  const parts = name.toLowerCase().split(/[^a-z]+/);
  const known = parts.find((part) => Object.hasOwn(words, part));
  return known === undefined ? "" : (words[known] ?? "");
}

/** Refuses shards of several splits: nobody trains on the test set on purpose. */
export function refuseSplits(folder: string, shards: readonly string[]): void {
  const splits = new Map<string, string>();
  for (const name of shards) if (!splits.has(splitOf(name))) splits.set(splitOf(name), name);
  if (splits.size < 2) return;
  const found = [...splits].map(([split, name]) => `${split === "" ? "no split" : split} (${name})`).join(", ");
  throw new InputError(`${folder} holds shards of several splits: ${found}; name the files of one, or its folder`);
}
