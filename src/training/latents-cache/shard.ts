/**
 * @file One shard of a latents cache: two files that a single process appends to and any number of processes read.
 *
 * `NAME.f16` contains the latents, float16, little-endian. `NAME.index` has a header of 64 bytes: the text `softrepa latents 1\n`,
 * the 32 bytes of the settings hash (model and size), and zeros. Then each entry has 64 bytes: key (32), offset in the data file (8,
 * little-endian), the first bytes of the SHA-256 of the latents (16), zeros (4), and the CRC-32C of the preceding 60 bytes (4).
 * Latents are written before their entry, so the latents of a complete entry are complete; readers ignore a truncated entry.
 */

import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "../../core/crc32c.js";
import { writeFileAtomic } from "../../core/files.js";
import { ifMissing } from "../../core/missing.js";

export const dataExtension = ".f16";
export const indexExtension = ".index";
/** Bytes of the header and of each entry. */
export const entrySize = 64;

const magic = Buffer.from("softrepa latents 1\n");
const checksumSize = 16;

export interface ShardEntry {
  /** Hexadecimal. */
  readonly key: string;
  readonly offset: number;
  readonly checksum: Buffer;
}

/** The intact entries of an index, and which part of it is damaged. */
export interface ShardIndex {
  readonly entries: readonly ShardEntry[];
  readonly damage: "all its latents" | "some of its latents" | null;
}

/** A unique path. */
export function newShardPath(folder: string, settingsHash: Buffer): string {
  return join(folder, `latents-${settingsHash.toString("hex", 0, 6)}-${randomBytes(6).toString("hex")}`);
}

export async function writeIndex(shard: string, settingsHash: Buffer, entries: readonly ShardEntry[]): Promise<void> {
  await writeFileAtomic(`${shard}${indexExtension}`, headerOf(settingsHash), ...entries.map(encodeEntry));
}

/** Reads an index; `size` is the number of bytes of each image's latents. */
export async function readIndex(shard: string, settingsHash: Buffer, size: number): Promise<ShardIndex> {
  // Read the index first: latents of its entries are in the data file already, even if another process is appending.
  const bytes = await readFile(`${shard}${indexExtension}`);
  const dataSize = await stat(`${shard}${dataExtension}`).then((found) => found.size, ifMissing(0));
  if (!bytes.subarray(0, entrySize).equals(headerOf(settingsHash))) return { entries: [], damage: "all its latents" };
  const entries: ShardEntry[] = [];
  let damage: ShardIndex["damage"] = null;
  for (let start = entrySize; start + entrySize <= bytes.length; start += entrySize) {
    const entry = decodeEntry(bytes.subarray(start, start + entrySize));
    if (entry !== null && entry.offset + size <= dataSize) entries.push(entry);
    else damage = "some of its latents";
  }
  return { entries, damage };
}

export async function removeShard(shard: string): Promise<void> {
  for (const ending of [dataExtension, indexExtension]) await rm(`${shard}${ending}`, { force: true });
}

/** Returns the latents of an entry, or null if they are damaged. */
export async function readEntry(data: FileHandle, { offset, checksum }: ShardEntry, size: number) {
  const bytes = Buffer.alloc(size);
  for (let done = 0; done < size; ) {
    const { bytesRead } = await data.read(bytes, done, size - done, offset + done);
    if (bytesRead === 0) return null;
    done += bytesRead;
  }
  return checksumOf(bytes).equals(checksum) ? bytes : null;
}

/** Creates a shard and appends to it. */
export class ShardWriter {
  private length = 0;

  private constructor(
    readonly shard: string,
    private readonly data: FileHandle,
    private readonly index: FileHandle,
  ) {}

  static async create(shard: string, settingsHash: Buffer): Promise<ShardWriter> {
    await writeIndex(shard, settingsHash, []);
    const data = await open(`${shard}${dataExtension}`, "ax");
    return new ShardWriter(shard, data, await open(`${shard}${indexExtension}`, "a"));
  }

  async append(key: string, bytes: Buffer): Promise<ShardEntry> {
    const entry = { key, offset: this.length, checksum: checksumOf(bytes) };
    await this.data.appendFile(bytes);
    this.length += bytes.length;
    await this.index.appendFile(encodeEntry(entry));
    return entry;
  }

  /** Flushes both files to disk. */
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

function headerOf(settingsHash: Buffer): Buffer {
  const header = Buffer.alloc(entrySize);
  magic.copy(header);
  settingsHash.copy(header, magic.length, 0, 32);
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
