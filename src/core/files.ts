/** @file Atomic writes of files and folders: written under a temporary name, then renamed. */

import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, messageOf, SoftrepaError } from "./errors.js";
import { ifMissing } from "./missing.js";

/** Writes a file atomically; after a failure the old file remains and the partial one is removed. */
export function writeFileAtomic(file: string, ...chunks: readonly (Uint8Array | string)[]): Promise<void> {
  return writeChunksAtomic(file, chunks);
}

/** As `writeFileAtomic`, for chunks that are produced one by one, since the file may be larger than memory. */
export async function writeChunksAtomic(file: string, chunks: Iterable<Uint8Array | string>): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${randomBytes(4).toString("hex")}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const handle = await open(temporary, "wx");
    try {
      for (const chunk of chunks) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new InputError(`cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Writes a folder atomically: `fill` writes files into a temporary folder, which then replaces `folder`. A killed process
 * may leave a temporary folder `.NAME.*.tmp` behind.
 */
export async function writeFolderAtomic(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const mark = randomBytes(4).toString("hex");
  const temporary = join(dirname(folder), `.${basename(folder)}.${mark}.tmp`);
  const old = join(dirname(folder), `.${basename(folder)}.${mark}.old.tmp`);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await syncFolder(temporary);
    await rename(folder, old).catch(ifMissing(undefined));
    await rename(temporary, folder);
    await syncFolder(dirname(folder));
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof SoftrepaError) throw error;
    throw new InputError(`cannot write ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

/** Removes temporary files and folders of killed processes. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(ifMissing<string[]>([]));
  for (const name of names.filter((one) => /^\..+\.[0-9a-f]{8}(\.old)?\.tmp$/.test(one))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Syncs a folder to disk, so that new names in it survive a power failure; Windows has no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
