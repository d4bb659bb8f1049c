/** @file Translates option names in messages of the library into flags. */

import { optionName } from "../core/errors.js";
import { keyOf } from "../runs/config/keys.js";

/** Replaces option names in backticks by flags. */
export function withFlags(message: string): string {
  return message.replaceAll(new RegExp(optionName, "g"), (_, name: string) => `--${keyOf(name)}`);
}
