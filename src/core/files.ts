/** @file Atomic writes of files and folders: written under a temporary name, then renamed. */

import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { InputError, messageOf, SoftrepaError } from "./errors.js";
import { ifMissing } from "./missing.js";

/** Writes a file atomically; after a failure the old file remains and the partial one is removed. */
export function writeFileAtomic(file: string, ...chunks: readonly (Uint8Array | string)[]): Promise<void> {
  return writeChunksAtomic(file, chunks);
}

/** As `writeFileAtomic`, for chunks that are produced one by one, since the file may be larger than memory. */
export async function writeChunksAtomic(file: string, chunks: Iterable<Uint8Array | string>): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${newMark()}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    await sweepOnce(folder);
    own.add(temporary);
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
  } finally {
    own.delete(temporary);
  }
}

/**
 * Writes a folder atomically: `fill` writes files into a temporary folder, which then replaces `folder`. A killed process
 * may leave a temporary folder `.NAME.*.tmp` behind.
 */
export async function writeFolderAtomic(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const mark = newMark();
  const temporary = join(dirname(folder), `.${basename(folder)}.${mark}.tmp`);
  const old = join(dirname(folder), `.${basename(folder)}.${mark}.old.tmp`);
  try {
    own.add(temporary);
    await mkdir(temporary, { recursive: true });
    await sweepOnce(dirname(folder));
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
  } finally {
    own.delete(temporary);
  }
}

/** Temporary files and folders that this process is writing. */
const own = new Set<string>();

/** Removes what this process is writing, before it is ended inside a write. */
export function removeOwnTemporaries(): void {
  for (const path of own) rmSync(path, { recursive: true, force: true });
}

const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
/** The mark of a temporary name: machine, process and a random number, each as 8 hexadecimal digits. */
const temporaryName = /^\..+\.([0-9a-f]{8})([0-9a-f]{8})[0-9a-f]{8}(\.old)?\.tmp$/;
/** Earlier versions wrote a random number alone. */
const earlierName = /^\..+\.[0-9a-f]{8}(\.old)?\.tmp$/;

function newMark(): string {
  return host + process.pid.toString(16).padStart(8, "0") + randomBytes(4).toString("hex");
}

/** Removes temporary files and folders of killed processes. Nobody else may be writing into `folder`. */
export async function removeLeftovers(folder: string): Promise<void> {
  await removeNamed(
    folder,
    (name) => (temporaryName.test(name) || earlierName.test(name)) && !own.has(join(folder, name)),
  );
}

const swept = new Set<string>();

/** Removes temporary files of processes of this machine that have ended, once per folder. */
async function sweepOnce(folder: string): Promise<void> {
  if (swept.has(resolve(folder))) return;
  swept.add(resolve(folder));
  await removeNamed(folder, (name) => {
    const [, machine, pid] = temporaryName.exec(name) ?? [];
    return machine === host && pid !== undefined && !isRunning(Number.parseInt(pid, 16));
  });
}

async function removeNamed(folder: string, chosen: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(ifMissing<string[]>([]));
  for (const name of names.filter(chosen)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Whether a process of this machine has this number. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
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
