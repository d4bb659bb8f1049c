/**
 * @file One shard of a latents cache: two files that one process alone appends to, and any number read.
 *
 * `NAME.f16` has latents one after the other, float16, little-endian. `NAME.index` has a header of 64 bytes, the text
 * `softrepa latents 1\n`, then the 32 bytes of the set (of which model and size they are) and zeros; and 64 bytes for each of the latents: key
 * (32), offset in the other file (8, little-endian), the start of the SHA-256 of the bytes there (16), zeros (4), and the
 * CRC-32C of the 60 bytes before (4). The bytes are written before their entry, so an entry that is there can be read; one that was
 * cut off by a kill is not there.
 */

import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "../../core/crc32c.js";
import { writeFileAtomic } from "../../core/files.js";

export const dataEnding = ".f16";
export const indexEnding = ".index";
/** Bytes of the header, and of an entry. */
export const entrySize = 64;

const magic = Buffer.from("softrepa latents 1\n");
const checksumSize = 16;

export interface ShardEntry {
  /** Hexadecimal. */
  readonly key: string;
  readonly offset: number;
  readonly checksum: Buffer;
}

/** What an index says; `damage` says what is wrong with it. */
export interface ShardIndex {
  readonly entries: readonly ShardEntry[];
  readonly damage: "all its latents" | "some of its latents" | null;
}

/** A name that no other process takes. */
export function newShard(folder: string, set: Buffer): string {
  return join(folder, `latents-${set.toString("hex", 0, 6)}-${randomBytes(6).toString("hex")}`);
}

export async function writeIndex(shard: string, set: Buffer, entries: readonly ShardEntry[]): Promise<void> {
  await writeFileAtomic(`${shard}${indexEnding}`, headerOf(set), ...entries.map(encodeEntry));
}

/** Reads the index of a shard whose latents take `size` bytes each. */
export async function readIndex(shard: string, set: Buffer, size: number): Promise<ShardIndex> {
  // First the index: what a running process adds in between is then in the other file already.
  const bytes = await readFile(`${shard}${indexEnding}`);
  const held = await stat(`${shard}${dataEnding}`).then(
    (found) => found.size,
    () => 0,
  );
  if (!bytes.subarray(0, entrySize).equals(headerOf(set))) return { entries: [], damage: "all its latents" };
  const entries: ShardEntry[] = [];
  let damage: ShardIndex["damage"] = null;
  for (let start = entrySize; start + entrySize <= bytes.length; start += entrySize) {
    const entry = decodeEntry(bytes.subarray(start, start + entrySize));
    if (entry !== null && entry.offset + size <= held) entries.push(entry);
    else damage = "some of its latents";
  }
  return { entries, damage };
}

export async function removeShard(shard: string): Promise<void> {
  for (const ending of [dataEnding, indexEnding]) await rm(`${shard}${ending}`, { force: true });
}

/** The latents of an entry, or null where they are not what was written. */
export async function readEntry(data: FileHandle, { offset, checksum }: ShardEntry, size: number) {
  const bytes = Buffer.alloc(size);
  for (let done = 0; done < size; ) {
    const { bytesRead } = await data.read(bytes, done, size - done, offset + done);
    if (bytesRead === 0) return null;
    done += bytesRead;
  }
  return checksumOf(bytes).equals(checksum) ? bytes : null;
}

/** Appends to a shard of its own. */
export class ShardWriter {
  private length = 0;

  private constructor(
    readonly shard: string,
    private readonly data: FileHandle,
    private readonly index: FileHandle,
  ) {}

  static async create(shard: string, set: Buffer): Promise<ShardWriter> {
    await writeIndex(shard, set, []);
    const data = await open(`${shard}${dataEnding}`, "ax");
    return new ShardWriter(shard, data, await open(`${shard}${indexEnding}`, "a"));
  }

  async append(key: string, bytes: Buffer): Promise<ShardEntry> {
    const entry = { key, offset: this.length, checksum: checksumOf(bytes) };
    await this.data.appendFile(bytes);
    this.length += bytes.length;
    await this.index.appendFile(encodeEntry(entry));
    return entry;
  }

  /** Waits until all is on disk. */
  async close(): Promise<void> {
    for (const handle of [this.data, this.index]) {
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  }
}

function headerOf(set: Buffer): Buffer {
  const header = Buffer.alloc(entrySize);
  magic.copy(header);
  set.copy(header, magic.length, 0, 32);
  return header;
}

function encodeEntry({ key, offset, checksum }: ShardEntry): Buffer {
  const bytes = Buffer.alloc(entrySize);
  bytes.write(key, 0, 32, "hex");
  bytes.writeBigUInt64LE(BigInt(offset), 32);
  checksum.copy(bytes, 40, 0, checksumSize);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, entrySize - 4)), entrySize - 4);
  return bytes;
}

function decodeEntry(bytes: Buffer): ShardEntry | null {
  if (bytes.readUInt32LE(entrySize - 4) !== crc32c(bytes.subarray(0, entrySize - 4))) return null;
  const checksum = Buffer.from(bytes.subarray(40, 40 + checksumSize));
  return { key: bytes.toString("hex", 0, 32), offset: Number(bytes.readBigUInt64LE(32)), checksum };
}

function checksumOf(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, checksumSize);
}
