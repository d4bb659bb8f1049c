/**
 * @file A cache of latents on disk, in float16, for all runs with the same autoencoder, resolution and engine.
 *
 * The cache is a folder of shards (shard.ts). Each process appends to its own shard, so several processes can share a folder; new
 * entries are visible to processes that open the cache later. Keys are hashes of image files, so files may move or change.
 */

import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf } from "../../core/errors.js";
import { ifMissing } from "../../core/missing.js";
import { type FloatTensor, floatTensor, type Shape, sizeOf } from "../../core/tensor.js";
import type { View } from "../../data/load-image.js";
import { float16ToFloat32, float32ToFloat16 } from "../../weights/half.js";
import {
  dataExtension,
  entrySize,
  indexExtension,
  newShardPath,
  readEntry,
  readIndex,
  removeShard,
  type ShardEntry,
  ShardWriter,
  writeIndex,
} from "./shard.js";

/** Increase it when the latents of an image change, e.g. by another resampling method. */
const version = 1;
/** Added entries between two measurements of the folder's size, to which other processes add too. */
const recountInterval = 256;

export interface LatentsCacheSettings {
  readonly folder: string;
  /** Hash of everything that latents depend on except image and view (`DiffusionPipeline.latentsFingerprint`). */
  readonly fingerprint: string;
  /** Image size in pixels. */
  readonly resolution: number;
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  /** Total bytes of all files in the folder. */
  readonly limit: number;
  /** Receives one-line messages about damage, a full cache, and write errors. */
  readonly onNote: (message: string) => void;
}

/** Bytes on disk of the latents of `images` images with `views` views each (2 with flips). */
export function latentsCacheBytes(images: number, latentShape: Shape, views = 1): number {
  return images * views * (2 * sizeOf(latentShape) + entrySize) + entrySize;
}

interface Location {
  readonly shard: string;
  readonly entry: ShardEntry;
}

export class LatentsCache {
  private readonly locations = new Map<string, Location>();
  private readonly readers = new Map<string, FileHandle>();
  /** Shards with damaged entries. */
  private readonly damaged = new Set<string>();
  private writer: ShardWriter | undefined;
  /** False once the cache is full, closed or cannot be written. */
  private writable = true;
  private used = 0;
  private added = 0;

  private constructor(
    private readonly settings: LatentsCacheSettings,
    private readonly settingsHash: Buffer,
    /** Bytes per image. */
    private readonly size: number,
  ) {}

  /** @throws InputError if `folder` exists but is not a readable folder */
  static async open(settings: LatentsCacheSettings): Promise<LatentsCache> {
    const { fingerprint, resolution, latentShape } = settings;
    const described = JSON.stringify([version, fingerprint, resolution, latentShape]);
    const set = createHash("sha256").update(described).digest();
    const cache = new LatentsCache(settings, set, 2 * sizeOf(latentShape));
    for (const shard of await cache.shards(`latents-${set.toString("hex", 0, 6)}-`)) await cache.load(shard);
    await cache.measure();
    return cache;
  }

  /** Number of cached latents; views of an image count separately. */
  get entries(): number {
    return this.locations.size;
  }

  /**
   * Returns the latents [1, channels, h, w] of an image file in a view, rounded to float16. If they are not cached, computes them with
   * `encode` and adds them, except for random crops.
   */
  async latentsOf(image: Uint8Array, view: View, encode: () => Promise<FloatTensor>): Promise<FloatTensor> {
    const shape = [1, ...this.settings.latentShape];
    const key = keyOf(image, view);
    const cached = key === undefined ? undefined : await this.read(key);
    if (cached !== undefined) return floatTensor(shape, cached);
    const halves = float32ToFloat16((await encode()).data);
    if (key !== undefined) await this.add(key, halves);
    return floatTensor(shape, float16ToFloat32(halves));
  }

  /** Flushes all entries to disk, and repairs damaged shards. */
  async close(): Promise<void> {
    for (const handle of this.readers.values()) await handle.close().catch(() => undefined);
    this.readers.clear();
    await this.writer?.close().catch((error: unknown) => this.stopAdding(messageOf(error)));
    this.writer = undefined;
    this.writable = false;
    for (const shard of this.damaged) await this.repair(shard).catch(() => undefined);
    this.damaged.clear();
  }

  private async read(key: string): Promise<Float32Array | undefined> {
    const location = this.locations.get(key);
    if (location === undefined) return undefined;
    const { shard, entry } = location;
    const bytes = await this.reader(shard)
      .then((data) => readEntry(data, entry, this.size))
      .catch(() => null);
    if (bytes !== null) return float16ToFloat32(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
    this.locations.delete(key);
    this.reportDamage(shard, "some of its latents");
    return undefined;
  }

  /** Reports once per shard. */
  private reportDamage(shard: string, what: string): void {
    if (this.damaged.has(shard)) return;
    this.damaged.add(shard);
    this.settings.onNote(`latents cache ${shard}${dataExtension}: ${what} are damaged; these images are encoded again`);
  }

  /** Rewrites the index without damaged entries. If another process is still writing the shard, its new entries are lost. */
  private async repair(shard: string): Promise<void> {
    const entries = [...this.locations.values()]
      .filter((location) => location.shard === shard)
      .map(({ entry }) => entry);
    await (entries.length === 0 ? removeShard(shard) : writeIndex(shard, this.settingsHash, entries));
  }

  private async reader(shard: string): Promise<FileHandle> {
    const existing = this.readers.get(shard);
    if (existing !== undefined) return existing;
    const handle = await open(`${shard}${dataExtension}`, "r");
    this.readers.set(shard, handle);
    return handle;
  }

  private async add(key: string, halves: Uint16Array): Promise<void> {
    if (!this.writable) return;
    const { folder, limit, onNote } = this.settings;
    if (++this.added % recountInterval === 0) await this.measure();
    const added = this.size + entrySize + (this.writer === undefined ? entrySize : 0);
    if (this.used + added > limit) {
      this.writable = false;
      onNote(
        `the latents cache ${folder} is full (\`latentsCacheLimit\`): other images are encoded when they are needed`,
      );
      return;
    }
    try {
      this.writer ??= await ShardWriter.create(newShardPath(folder, this.settingsHash), this.settingsHash);
      const bytes = Buffer.from(halves.buffer, halves.byteOffset, halves.byteLength);
      this.locations.set(key, { shard: this.writer.shard, entry: await this.writer.append(key, bytes) });
      this.used += added;
    } catch (error) {
      this.stopAdding(messageOf(error));
    }
  }

  /** A write error does not stop the run: images are then encoded again. */
  private stopAdding(reason: string): void {
    if (!this.writable) return;
    this.writable = false;
    this.settings.onNote(`the latents cache ${this.settings.folder} cannot be written and is now read-only: ${reason}`);
  }

  private async load(shard: string): Promise<void> {
    const index = await readIndex(shard, this.settingsHash, this.size).catch((error: unknown) => {
      this.settings.onNote(`latents cache ${shard}${indexExtension} is ignored: ${messageOf(error)}`);
    });
    if (index === undefined) return;
    for (const entry of index.entries) this.locations.set(entry.key, { shard, entry });
    if (index.damage !== null) this.reportDamage(shard, index.damage);
  }

  private async measure(): Promise<void> {
    let used = 0;
    for (const shard of await this.shards("latents-")) {
      for (const ending of [dataExtension, indexExtension]) {
        used += await stat(`${shard}${ending}`).then(({ size }) => size, ifMissing(0));
      }
    }
    this.used = used;
  }

  /** Paths of the shards with this prefix. */
  private async shards(prefix: string): Promise<string[]> {
    const { folder } = this.settings;
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw new InputError(`latents cache ${folder} cannot be read: ${messageOf(error)}`, { cause: error });
    });
    const indices = names.filter((name) => name.startsWith(prefix) && name.endsWith(indexExtension)).sort();
    return indices.map((name) => join(folder, name.slice(0, -indexExtension.length)));
  }
}

/** Hashes content and view; undefined for random crops. */
function keyOf(image: Uint8Array, { crop, flip = false }: View): string | undefined {
  if (crop !== "center") return undefined;
  return createHash("sha256")
    .update(flip ? "mirrored\n" : "upright\n")
    .update(image)
    .digest("hex");
}
