/** @file Reads parts of large files, with errors that name the file. */

import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { InputError, messageOf, SoftrepaError } from "../core/errors.js";

/** Bytes per read call; the system's limit is slightly below 2 GiB. */
const maxRead = 1 << 30;

/** A regular file, opened for random access. */
export interface OpenFile {
  /** The path that the user gave, for messages. */
  readonly path: string;
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `offset` into a new buffer; `what` names them in the InputError if the file is too short.
   */
  read(offset: number, length: number, what: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** Opens `path`, passes it to `use` and closes it. File system errors become InputErrors. */
export async function withFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const stats = await handle.stat();
    if (!stats.isFile()) {
      throw new InputError(
        `${path} is ${stats.isDirectory() ? "a folder" : "not a regular file"}: a file was expected`,
      );
    }
    await requireNoPointer(path, handle);
    return await use(openFile(path, handle, stats.size));
  } catch (error) {
    if (error instanceof SoftrepaError) throw error;
    throw errnoError(path, error);
  } finally {
    await handle?.close();
  }
}

const pointerStart = "version https://git-lfs.github.com/spec/";

/** Throws an InputError for a pointer that Git LFS leaves in place of a file. */
async function requireNoPointer(path: string, handle: FileHandle): Promise<void> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(pointerStart.length), 0, pointerStart.length, 0);
  if (buffer.toString("latin1", 0, bytesRead) !== pointerStart) return;
  throw new InputError(`${path} is a Git LFS pointer, not the file itself: fetch it with git lfs pull`);
}

/** An InputError for a failed file system call on `path`; other errors are returned unchanged, since they are defects. */
export function errnoError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  if (error.code === "ENOENT") return new InputError(`no such file or folder: ${path}`, { cause: error });
  return new InputError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
}

function openFile(path: string, handle: FileHandle, size: number): OpenFile {
  return {
    path,
    size,
    async read(offset, length, what) {
      if (offset + length > size) {
        throw new InputError(`${path} is cut short: ${what} ends at byte ${offset + length}, the file has ${size}`);
      }
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(maxRead, length - done), offset + done);
        if (bytesRead === 0) throw new InputError(`${path} was truncated while it was read (${what})`);
        done += bytesRead;
      }
      return bytes;
    },
  };
}
