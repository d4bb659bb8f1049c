/**
 * @file Reads zip archives by offset, since PyTorch files can have many gigabytes. Supports only what torch.save writes:
 * entries stored without compression, with or without the 64-bit extension.
 */

import { crc32 } from "node:zlib";
import { InputError } from "../core/errors.js";
import type { OpenFile } from "./read-bytes.js";

export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly crc: number;
  /** Offset of the entry's local header, which precedes its data. */
  readonly headerOffset: number;
  /** Neither compressed nor encrypted; other entries cannot be read. */
  readonly plain: boolean;
}

const endSignature = 0x06054b50;
const end64LocatorSignature = 0x07064b50;
const end64Signature = 0x06064b50;
const centralSignature = 0x02014b50;
const localSignature = 0x04034b50;

const endSize = 22;
const maxComment = 0xffff;
const maxDirectory = 64 << 20;

/** Whether the file starts with a zip signature. */
export async function isZip(open: OpenFile): Promise<boolean> {
  return open.size >= 4 && viewOf(await open.read(0, 4, "the first bytes")).getUint32(0, true) === localSignature;
}

/** Reads the archive's entries by name. */
export async function readZipDirectory(open: OpenFile): Promise<ReadonlyMap<string, ZipEntry>> {
  const { offset, size, count } = await findDirectory(open);
  if (size > maxDirectory) throw damaged(open, `its directory of ${size} bytes is too long`);
  const view = viewOf(await open.read(offset, size, "the zip directory"));
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > size || view.getUint32(at, true) !== centralSignature)
      throw damaged(open, "its directory is cut short");
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > size) throw damaged(open, "its directory is cut short");
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameLength));
    const encrypted = (view.getUint16(at + 8, true) & 1) !== 0;
    const compressed = view.getUint16(at + 10, true) !== 0;
    const extra = new DataView(view.buffer, at + 46 + nameLength, extraLength);
    const [entrySize, storedSize, headerOffset] = wide(extra, [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ]);
    const plain = !encrypted && !compressed;
    if ((plain && entrySize !== storedSize) || headerOffset + 30 + nameLength + storedSize > offset) {
      throw damaged(open, `the entry ${JSON.stringify(name)} is not inside the file`);
    }
    if (entries.has(name)) throw damaged(open, `it has two entries named ${JSON.stringify(name)}`);
    entries.set(name, { name, size: entrySize, crc: view.getUint32(at + 16, true), headerOffset, plain });
    at = next;
  }
  return entries;
}

/** Byte offset of an entry's data in the file. */
export async function zipDataOffset(open: OpenFile, entry: ZipEntry): Promise<number> {
  if (!entry.plain) {
    throw new InputError(
      `${open.path}: the zip entry ${JSON.stringify(entry.name)} is compressed or encrypted; torch.save stores entries uncompressed`,
    );
  }
  const header = viewOf(await open.read(entry.headerOffset, 30, `the zip entry ${JSON.stringify(entry.name)}`));
  if (header.getUint32(0, true) !== localSignature) {
    throw damaged(open, `the entry ${JSON.stringify(entry.name)} has no header at byte ${entry.headerOffset}`);
  }
  return entry.headerOffset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
}

/** Reads an entry and verifies its checksum. */
export async function readZipEntry(open: OpenFile, entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>> {
  const what = `the zip entry ${JSON.stringify(entry.name)}`;
  const bytes = await open.read(await zipDataOffset(open, entry), entry.size, what);
  if (crc32(bytes) !== entry.crc) throw damaged(open, `${what} does not match its checksum`);
  return bytes;
}

async function findDirectory(open: OpenFile): Promise<{ offset: number; size: number; count: number }> {
  const tailLength = Math.min(open.size, endSize + maxComment);
  const tailStart = open.size - tailLength;
  const tail = viewOf(await open.read(tailStart, tailLength, "the end of the zip"));
  let at = tailLength - endSize;
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === endSignature && at + endSize + tail.getUint16(at + 20, true) === tailLength)
  ) {
    at--;
  }
  if (at < 0) throw damaged(open, "it has no directory at its end, so it may be cut short");
  if (at >= 20 && tail.getUint32(at - 20, true) === end64LocatorSignature) {
    const end64 = viewOf(await open.read(toNumber(tail, at - 12), 56, "the 64-bit end of the zip"));
    if (end64.getUint32(0, true) !== end64Signature)
      throw damaged(open, "its 64-bit directory is not at its recorded offset");
    return { count: toNumber(end64, 32), size: toNumber(end64, 40), offset: toNumber(end64, 48) };
  }
  return {
    count: tail.getUint16(at + 10, true),
    size: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
}

/** Fields of all ones have their 64-bit values in the extra field with id 1, in this order. */
function wide(extra: DataView, fields: readonly [number, number, number]): readonly [number, number, number] {
  if (!fields.includes(0xffffffff)) return fields;
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    const end = Math.min(extra.byteLength, at + 4 + extra.getUint16(at + 2, true));
    let from = at + 4;
    const take = (field: number) => {
      if (field !== 0xffffffff || from + 8 > end) return field;
      from += 8;
      return toNumber(extra, from - 8);
    };
    return [take(fields[0]), take(fields[1]), take(fields[2])];
  }
  return fields;
}

function toNumber(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(open: OpenFile, why: string): InputError {
  return new InputError(`${open.path} is not an intact zip file: ${why}`);
}
