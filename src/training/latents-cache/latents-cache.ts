/**
 * @file Latents of images on disk, in float16: encoded once, used by every run with the same autoencoder, resolution and engine.
 *
 * A folder of shards (shard.ts). A process appends to a shard of its own, so several may use one folder at a time; what they add
 * is seen by those that open it later. Latents are found by the bytes of the image file, so images that move or change are no trouble.
 */

import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf } from "../../core/errors.js";
import { type FloatTensor, floatTensor, type Shape, sizeOf } from "../../core/tensor.js";
import type { View } from "../../data/load-image.js";
import { float16ToFloat32, float32ToFloat16 } from "../../weights/half.js";
import {
  dataEnding,
  entrySize,
  indexEnding,
  newShard,
  readEntry,
  readIndex,
  removeShard,
  type ShardEntry,
  ShardWriter,
  writeIndex,
} from "./shard.js";

/** Rises when the same image would come to other latents, such as by another way of resizing. */
const version = 1;
/** Entries added between two looks at what other processes have added. */
const recount = 256;

export interface LatentsCacheSettings {
  readonly folder: string;
  /** Of everything that latents depend on beside image and view (`DiffusionPipeline.latentsFingerprint`). */
  readonly fingerprint: string;
  /** Pixels a side. */
  readonly resolution: number;
  /** Of one image's latents: [channels, h, w]. */
  readonly latentShape: Shape;
  /** Bytes that all files of the folder may take together. */
  readonly limit: number;
  /** Is told in one line of damage, of a limit that is reached, and of a disk that cannot be written. */
  readonly onNote: (message: string) => void;
}

/** Bytes on disk that latents of `images` take, in `views` views each (2 with mirror images). */
export function latentsCacheBytes(images: number, latentShape: Shape, views = 1): number {
  return images * views * (2 * sizeOf(latentShape) + entrySize) + entrySize;
}

interface Place {
  readonly shard: string;
  readonly entry: ShardEntry;
}

export class LatentsCache {
  private readonly places = new Map<string, Place>();
  private readonly readers = new Map<string, FileHandle>();
  /** Shards in which something is not what was written. */
  private readonly damaged = new Set<string>();
  private writer: ShardWriter | undefined;
  /** False from the moment on that nothing more can be added. */
  private open = true;
  private used = 0;
  private added = 0;

  private constructor(
    private readonly settings: LatentsCacheSettings,
    private readonly set: Buffer,
    /** Bytes of one image's latents. */
    private readonly size: number,
  ) {}

  /** @throws InputError where `folder` is something else than a folder that can be read, or not there yet */
  static async open(settings: LatentsCacheSettings): Promise<LatentsCache> {
    const { fingerprint, resolution, latentShape } = settings;
    const described = JSON.stringify([version, fingerprint, resolution, latentShape]);
    const set = createHash("sha256").update(described).digest();
    const cache = new LatentsCache(settings, set, 2 * sizeOf(latentShape));
    for (const shard of await cache.shards(`latents-${set.toString("hex", 0, 6)}-`)) await cache.load(shard);
    await cache.count();
    return cache;
  }

  /** Images that it has latents of, views counted apart. */
  get entries(): number {
    return this.places.size;
  }

  /**
   * Latents [1, C, h, w] of an image in a view, rounded to float16: from the disk, or by `encode`, which are then kept. Latents
   * of a part that is drawn anew each time are not kept.
   */
  async latentsOf(image: Uint8Array, view: View, encode: () => Promise<FloatTensor>): Promise<FloatTensor> {
    const shape = [1, ...this.settings.latentShape];
    const key = keyOf(image, view);
    const known = key === undefined ? undefined : await this.read(key);
    if (known !== undefined) return floatTensor(shape, known);
    const halves = float32ToFloat16((await encode()).data);
    if (key !== undefined) await this.add(key, halves);
    return floatTensor(shape, float16ToFloat32(halves));
  }

  /** Waits until all is on disk, and mends what was found damaged. */
  async close(): Promise<void> {
    for (const handle of this.readers.values()) await handle.close().catch(() => undefined);
    this.readers.clear();
    await this.writer?.close().catch((error: unknown) => this.stopAdding(messageOf(error)));
    this.writer = undefined;
    this.open = false;
    for (const shard of this.damaged) await this.mend(shard).catch(() => undefined);
    this.damaged.clear();
  }

  private async read(key: string): Promise<Float32Array | undefined> {
    const place = this.places.get(key);
    if (place === undefined) return undefined;
    const { shard, entry } = place;
    const bytes = await this.reader(shard)
      .then((data) => readEntry(data, entry, this.size))
      .catch(() => null);
    if (bytes !== null) return float16ToFloat32(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
    this.places.delete(key);
    this.tellDamage(shard, "some of its latents");
    return undefined;
  }

  /** Once a shard. */
  private tellDamage(shard: string, what: string): void {
    if (this.damaged.has(shard)) return;
    this.damaged.add(shard);
    this.settings.onNote(`latents cache ${shard}${dataEnding}: ${what} are damaged; those images are encoded anew`);
  }

  /** Writes the index again without what is damaged. Should its writer be at work still, what that one adds is lost, not wrong. */
  private async mend(shard: string): Promise<void> {
    const entries = [...this.places.values()].filter((place) => place.shard === shard).map(({ entry }) => entry);
    await (entries.length === 0 ? removeShard(shard) : writeIndex(shard, this.set, entries));
  }

  private async reader(shard: string): Promise<FileHandle> {
    const known = this.readers.get(shard);
    if (known !== undefined) return known;
    const handle = await open(`${shard}${dataEnding}`, "r");
    this.readers.set(shard, handle);
    return handle;
  }

  private async add(key: string, halves: Uint16Array): Promise<void> {
    if (!this.open) return;
    const { folder, limit, onNote } = this.settings;
    if (++this.added % recount === 0) await this.count();
    const more = this.size + entrySize + (this.writer === undefined ? entrySize : 0);
    if (this.used + more > limit) {
      this.open = false;
      onNote(`the latents cache ${folder} is full (\`latentsCacheLimit\`): other images are encoded when they come up`);
      return;
    }
    try {
      this.writer ??= await ShardWriter.create(newShard(folder, this.set), this.set);
      const bytes = Buffer.from(halves.buffer, halves.byteOffset, halves.byteLength);
      this.places.set(key, { shard: this.writer.shard, entry: await this.writer.append(key, bytes) });
      this.used += more;
    } catch (error) {
      this.stopAdding(messageOf(error));
    }
  }

  /** What cannot be kept costs time, not the run. */
  private stopAdding(why: string): void {
    if (!this.open) return;
    this.open = false;
    this.settings.onNote(`the latents cache ${this.settings.folder} cannot be written, it is only read: ${why}`);
  }

  private async load(shard: string): Promise<void> {
    const index = await readIndex(shard, this.set, this.size).catch((error: unknown) => {
      this.settings.onNote(`latents cache ${shard}${indexEnding} is left out: ${messageOf(error)}`);
    });
    if (index === undefined) return;
    for (const entry of index.entries) this.places.set(entry.key, { shard, entry });
    if (index.damage !== null) this.tellDamage(shard, index.damage);
  }

  private async count(): Promise<void> {
    let used = 0;
    for (const shard of await this.shards("latents-")) {
      for (const ending of [dataEnding, indexEnding]) {
        used += await stat(`${shard}${ending}`).then(
          ({ size }) => size,
          () => 0,
        );
      }
    }
    this.used = used;
  }

  /** Shards whose names begin so. */
  private async shards(prefix: string): Promise<string[]> {
    const { folder } = this.settings;
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw new InputError(`latents cache ${folder} cannot be read: ${messageOf(error)}`, { cause: error });
    });
    const indices = names.filter((name) => name.startsWith(prefix) && name.endsWith(indexEnding)).sort();
    return indices.map((name) => join(folder, name.slice(0, -indexEnding.length)));
  }
}

/** By content; undefined for a view that never comes again. */
function keyOf(image: Uint8Array, { crop, flip = false }: View): string | undefined {
  if (crop !== "center") return undefined;
  return createHash("sha256")
    .update(flip ? "mirrored\n" : "upright\n")
    .update(image)
    .digest("hex");
}
