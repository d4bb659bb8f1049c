/** @file Text that people write by hand: UTF-8 or refused, a byte order mark dropped. */

import { readFile } from "node:fs/promises";
import { InputError, messageOf } from "../core/errors.js";

/** The whole text of `file`. */
export async function readTextFile(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InputError(`${file} is not UTF-8 text`, { cause: error });
  }
}

/** Lines of a list written by hand, trimmed: one entry a line, `#` comments and empty lines skipped. */
export async function readListFile(file: string, what: string): Promise<string[]> {
  const lines = (await readTextFile(file)).split(/\r\n|\r|\n/).map((line) => line.trim());
  const entries = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (entries.length === 0) throw new InputError(`${file} holds no ${what}`);
  return entries;
}
