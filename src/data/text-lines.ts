/** @file Reads a text file of any size line by line, in bounded memory. */

import { type FileHandle, open } from "node:fs/promises";
import { InputError, messageOf } from "../core/errors.js";

const chunkBytes = 2 ** 16;
const newline = 0x0a;

/** A line without its line end, and its number from 1; `bytes` is null if it exceeds the limit. */
export interface TextLine {
  readonly number: number;
  readonly bytes: Uint8Array | null;
}

/** Yields the lines of `file`, separated by `\n`. Throws an InputError if it cannot be read. */
export async function* readLines(file: string, limit: number): AsyncGenerator<TextLine> {
  const handle = await open(file, "r").catch((error: unknown) => {
    throw cannotRead(file, error);
  });
  try {
    let number = 1;
    let parts: Uint8Array[] = [];
    let length = 0;
    const finish = (): TextLine => {
      const bytes = length > limit ? null : Buffer.concat(parts);
      [parts, length] = [[], 0];
      return { number: number++, bytes };
    };
    for (;;) {
      const chunk = await readChunk(handle, file);
      if (chunk.length === 0) break;
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        parts.push(chunk.subarray(start, end));
        length += end - start;
        yield finish();
        start = end + 1;
      }
      length += chunk.length - start;
      // Lines over the limit are counted, not kept.
      if (length > limit) parts = [];
      else if (start < chunk.length) parts.push(chunk.subarray(start));
    }
    if (length > 0) yield finish();
  } finally {
    await handle.close();
  }
}

async function readChunk(handle: FileHandle, file: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(chunkBytes);
  try {
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw cannotRead(file, error);
  }
}

function cannotRead(file: string, error: unknown): InputError {
  return new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
}
