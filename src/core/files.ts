/** @file Files and folders that are either wholly there or not there: written aside, then renamed. */

import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, messageOf, SoftrepaError } from "./errors.js";

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

/**
 * Lets `fill` write files into a new folder beside `folder`, and renames it: the folder is there with all of its files or it
 * is not. One of that name is replaced. What a killed process leaves behind is called `.NAME.*.tmp`.
 */
export async function writeFolderAtomic(folder: string, fill: (aside: string) => Promise<void>): Promise<void> {
  const mark = randomBytes(4).toString("hex");
  const aside = join(dirname(folder), `.${basename(folder)}.${mark}.tmp`);
  const old = join(dirname(folder), `.${basename(folder)}.${mark}.old.tmp`);
  try {
    await mkdir(aside, { recursive: true });
    await fill(aside);
    await syncFolder(aside);
    await rename(folder, old).catch(() => undefined);
    await rename(aside, folder);
    await syncFolder(dirname(folder));
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(aside, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof SoftrepaError) throw error;
    throw new InputError(`cannot write ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

/** Removes what killed processes left behind in a folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => /^\..+\.[0-9a-f]{8}(\.old)?\.tmp$/.test(one))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Names in a folder survive a power failure only once the folder itself is on disk; Windows has no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
