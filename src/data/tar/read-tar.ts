/**
 * @file Locates the members of a tar archive: ustar, pax (`path`, `size`) and GNU (long names, large sizes), after POSIX.1-2017
 * (pax, "ustar Interchange Format") and GNU tar's manual ("Basic Tar Format").
 */

import { InputError } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import type { ByteSource } from "../byte-source.js";

/** A regular file of the archive. */
export interface TarMember {
  /** Name in the archive; never used as a path to open or write. */
  readonly name: string;
  /** Byte offset of its data in the archive. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
}

const blockBytes = 512;
/** Largest extended header in bytes. */
const maxExtendedBytes = 2 ** 20;
/** Bytes read ahead, since headers and small members (captions) are adjacent. */
const windowBytes = 2 ** 16;

/** Fields of an extended header, which apply to the next member. */
interface Extended {
  readonly name?: string;
  readonly size?: number;
}

/**
 * Yields the regular files in the order of the archive; skips links, folders and devices.
 *
 * @throws InputError at damage; the members before it are valid
 */
export async function* readTar(source: ByteSource): AsyncGenerator<TarMember> {
  const blocks = new BlockReader(source);
  let extended: Extended = {};
  for (let offset = 0; offset < source.size; ) {
    const where = `${source.file} at byte ${offset}`;
    const header = await blocks.read(offset, blockBytes);
    if (header.every((byte) => byte === 0)) return;
    requireChecksum(header, where, offset === 0);
    const type = String.fromCharCode(at(header, 156));
    const headerSize = numberField(header, 124, 12, "size", where);
    const start = offset + blockBytes;
    const size = isExtension(type) ? headerSize : isEmpty(type) ? 0 : (extended.size ?? headerSize);
    if (start + size > source.size) {
      throw new InputError(`${source.file} is cut short: the member at byte ${offset} has ${size} bytes`);
    }
    if (isExtension(type)) {
      if (size > maxExtendedBytes) throw new InputError(`${where}: an extended header of ${size} bytes`);
      const bytes = await blocks.read(start, size);
      if (type === "L") extended = { ...extended, name: textOf(bytes) };
      else if (type === "x") extended = { ...extended, ...paxFields(bytes, where) };
    } else {
      // "0" and NUL are regular files, "7" is a contiguous file.
      if ("0\x007".includes(type)) yield { name: extended.name ?? nameOf(header), offset: start, size };
      else if (type === "S")
        throw new InputError(`${where}: sparse members are not read; pack with --hole-detection=raw`);
      extended = {};
    }
    offset = start + Math.ceil(size / blockBytes) * blockBytes;
  }
}

/** Long name, long link and the two pax headers, which describe the next member. */
function isExtension(type: string): boolean {
  return "LKxg".includes(type);
}

/** Links, devices, folders and pipes have no data, even if their size is not 0. */
function isEmpty(type: string): boolean {
  return "123456".includes(type);
}

function requireChecksum(header: Uint8Array, where: string, first: boolean): void {
  const stored = numberField(header, 148, 8, "checksum", where);
  // The checksum field counts as spaces. Old archives sum signed bytes.
  let [unsigned, signed] = [8 * 32, 8 * 32];
  for (const [index, byte] of header.entries()) {
    if (index >= 148 && index < 156) continue;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  if (stored === unsigned || stored === signed) return;
  throw new InputError(
    first ? `${where}: not a tar archive` : `${where}: the header is damaged (its checksum is wrong)`,
  );
}

/** A number in octal digits, or in base 256 if the first bit is set. */
function numberField(header: Uint8Array, start: number, length: number, what: string, where: string): number {
  const field = header.subarray(start, start + length);
  if (at(field, 0) & 0x80) {
    const value = field.reduce((sum, byte, index) => sum * 256 + (index === 0 ? byte & 0x7f : byte), 0);
    if (Number.isSafeInteger(value)) return value;
    throw new InputError(`${where}: the ${what} ${value} is too large`);
  }
  const digits = textOf(field).trim();
  if (/^[0-7]*$/.test(digits)) return Number.parseInt(digits || "0", 8);
  throw new InputError(`${where}: the ${what} is not a number: not a tar archive, or a damaged one`);
}

function nameOf(header: Uint8Array): string {
  const name = textOf(header.subarray(0, 100));
  // Only POSIX's magic is followed by a NUL; old GNU headers have times in place of the prefix.
  const prefix = textOf(header.subarray(257, 263)) === "ustar" ? textOf(header.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** Text up to the first NUL; invalid UTF-8 and control characters become the replacement character. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)).replace(/\p{Cc}/gu, "\ufffd");
}

/** Records "LENGTH KEY=VALUE\n", where the length counts the whole record. */
function paxFields(bytes: Uint8Array, where: string): Extended {
  const fields = new Map<string, string>();
  for (let start = 0; start < bytes.length && bytes[start] !== 0; ) {
    const digits = /^(\d{1,7}) /.exec(Buffer.from(bytes.subarray(start, start + 8)).toString("latin1"));
    const length = Number(digits?.[1]);
    const record = new TextDecoder().decode(bytes.subarray(start, start + length));
    const [, key, value] = /^\d+ ([^=]+)=(.*)\n$/s.exec(record) ?? [];
    if (!digits || start + length > bytes.length || key === undefined || value === undefined) {
      throw new InputError(`${where}: the pax header is damaged`);
    }
    fields.set(key, value);
    start += length;
  }
  const [path, size] = [fields.get("path")?.replace(/\p{Cc}/gu, "\ufffd"), fields.get("size")];
  if (fields.has("GNU.sparse.major")) throw new InputError(`${where}: sparse members are not read`);
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw new InputError(`${where}: the pax size is not a number`);
  return { ...(path !== undefined && { name: path }), ...(size !== undefined && { size: Number(size) }) };
}

/** Reads through a window, so that adjacent headers take one read. */
export class BlockReader {
  private window: Uint8Array = new Uint8Array(0);
  private start = 0;

  constructor(private readonly source: ByteSource) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length > windowBytes || offset + length > this.source.size) return this.source.read(offset, length);
    if (offset < this.start || offset + length > this.start + this.window.length) {
      this.window = await this.source.read(offset, Math.min(windowBytes, this.source.size - offset));
      this.start = offset;
    }
    return this.window.subarray(offset - this.start, offset - this.start + length);
  }
}
