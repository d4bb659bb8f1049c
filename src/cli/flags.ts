/** @file Flags and configuration keys, by the names that the library gives to options. */

import { optionName } from "../core/errors.js";

/** Where the two differ by more than their dashes. */
const shortNames: Readonly<Record<string, string>> = { tokenizers: "tokenizer" };

/** The configuration key of an option: `save-every` of `saveEvery`. Its flag has two dashes in front. */
export function keyOf(name: string): string {
  return shortNames[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A message of the library for a person at a terminal: flags in place of options' names. */
export function withFlags(message: string): string {
  return message.replaceAll(new RegExp(optionName, "g"), (_, name: string) => `--${keyOf(name)}`);
}
