/** @file Files that are either wholly there or not there: written aside, then renamed. */

import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, messageOf } from "./errors.js";

/** Writes `chunks` beside `file` and renames; on any failure the old file stays and the partial one is removed. */
export function writeFileAtomic(file: string, ...chunks: readonly (Uint8Array | string)[]): Promise<void> {
  return writeChunksAtomic(file, chunks);
}

/** The same of chunks that are made one after the other, for files larger than memory should be. */
export async function writeChunksAtomic(file: string, chunks: Iterable<Uint8Array | string>): Promise<void> {
  const folder = dirname(file);
  const aside = join(folder, `.${basename(file)}.${randomBytes(4).toString("hex")}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const handle = await open(aside, "wx");
    try {
      for (const chunk of chunks) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw new InputError(`cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}
