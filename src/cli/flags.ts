/** @file Messages of the library for people at a terminal. */

import { optionName } from "../core/errors.js";
import { keyOf } from "../runs/config/keys.js";

/** A message with flags in place of options' names. */
export function withFlags(message: string): string {
  return message.replaceAll(new RegExp(optionName, "g"), (_, name: string) => `--${keyOf(name)}`);
}
