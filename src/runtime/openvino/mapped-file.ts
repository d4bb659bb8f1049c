/** @file Memory-mapped files, for weights that a library reads by address. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import koffi from "koffi";

export interface MappedFile {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  close(): void;
}

/** Maps a file, whose pages the system loads on access and may drop again; on Windows, reads it into memory instead. */
export function mapFile(file: string, canMap = process.platform !== "win32"): MappedFile {
  const descriptor = openSync(file, "r");
  try {
    const { size } = fstatSync(descriptor);
    return canMap ? mapped(descriptor, size) : copied(descriptor, size);
  } finally {
    closeSync(descriptor);
  }
}

const protRead = 1;
const mapPrivate = 2;

function mapped(descriptor: number, size: number): MappedFile {
  const libc = koffi.load(null);
  const mmap = libc.func("void *mmap(void *address, size_t length, int protection, int flags, int file, int64 offset)");
  const munmap = libc.func("int munmap(void *address, size_t length)");
  const address: bigint = mmap(null, size, protRead, mapPrivate, descriptor, 0);
  if (BigInt.asIntN(64, address) === -1n) throw new Error(`the system cannot map ${size} bytes`);
  return { address, size, close: () => munmap(address, size) };
}

function copied(descriptor: number, size: number): MappedFile {
  const memory: unknown = koffi.alloc("uint8_t", size);
  const bytes = new Uint8Array(koffi.view(memory, size));
  const chunk = 2 ** 28;
  for (let start = 0; start < size; ) {
    const read = readSync(descriptor, bytes, start, Math.min(chunk, size - start), start);
    if (read === 0) throw new Error("the file ended while it was read");
    start += read;
  }
  return { address: koffi.address(memory), size, close: () => koffi.free(memory) };
}
