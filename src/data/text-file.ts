/** @file Reads UTF-8 text files, without a byte order mark. */

import { open } from "node:fs/promises";
import { InputError, messageOf } from "../core/errors.js";
import { parsePythonJson } from "../core/python-json.js";

/** Largest text in bytes, near the limit of Node's strings. */
const maxTextBytes = 2 ** 29 - 2 ** 16;

/** Reads the text of `file`. Throws an InputError if it has more than `limit` bytes or is not UTF-8. */
export async function readTextFile(file: string, limit: number = maxTextBytes): Promise<string> {
  let bytes: Uint8Array;
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      if (size > limit) throw new InputError(`${file} has ${size} bytes, the limit is ${limit}`);
      bytes = await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
  return decodeText(bytes, file);
}

/** Decodes UTF-8. Throws an InputError that starts with `where`. */
export function decodeText(bytes: Uint8Array, where: string): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (text.includes("\0")) throw new InputError("NUL characters");
    return text;
  } catch (error) {
    const [first, second] = bytes;
    const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
    // ASCII letters in UTF-16 have a zero byte before or after them.
    const unmarked = bytes.length % 2 === 0 && (first === 0) !== (second === 0);
    const utf16 = marked || unmarked;
    throw new InputError(`${where} is not UTF-8 text${utf16 ? " but UTF-16; save it as UTF-8" : ""}`, { cause: error });
  }
}

/** Parses JSON. Throws an InputError that starts with `where`. */
export function parseJsonText(text: string, where: string): unknown {
  try {
    return parsePythonJson(text);
  } catch (error) {
    throw new InputError(`${where}: broken JSON (${messageOf(error)})`, { cause: error });
  }
}

/** Reads a list file: one trimmed entry per line; skips empty lines and `#` comments. */
export async function readListFile(file: string, what: string): Promise<string[]> {
  const lines = (await readTextFile(file)).split(/\r\n|\r|\n/).map((line) => line.trim());
  const entries = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (entries.length === 0) throw new InputError(`${file} holds no ${what}`);
  return entries;
}
