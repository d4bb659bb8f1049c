/** @file Features of images and texts, kept in a folder by the content of both, so that nothing is computed twice. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import { floatTensor, type Tensor } from "../../core/tensor.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../weights/safetensors.js";

/** Changes where preprocessing or a network's reading of it does: what was kept before is then computed anew. */
const generation = "1";

/** The features that one model has given, in memory; a file of them where there is a folder. */
export class FeatureCache {
  private changed = false;

  private constructor(
    private readonly file: string | null,
    private readonly features: Map<string, Float32Array>,
  ) {}

  /** `model` is a name and fingerprint: see `fingerprint`. A file that cannot be read is made anew. */
  static async open(folder: string | null, model: string): Promise<FeatureCache> {
    if (folder === null) return new FeatureCache(null, new Map());
    const file = join(folder, `${model}-${generation}.safetensors`);
    const features = new Map<string, Float32Array>();
    if (existsSync(file)) {
      try {
        const { tensors } = await openSafetensors(file);
        for (const [key, stored] of tensors) features.set(key, (await readTensor(stored)).data);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        features.clear();
      }
    }
    return new FeatureCache(file, features);
  }

  /** The features of each item, in order; `compute` is asked once for the items that are missing, each key once. */
  async all<T>(
    items: readonly T[],
    keyOf: (item: T) => string,
    compute: (missing: readonly T[]) => Promise<Float32Array[]>,
  ): Promise<Float32Array[]> {
    const missing = new Map<string, T>();
    for (const item of items) {
      const key = keyOf(item);
      if (!this.features.has(key) && !missing.has(key)) missing.set(key, item);
    }
    if (missing.size > 0) {
      const computed = await compute([...missing.values()]);
      for (const [i, key] of [...missing.keys()].entries()) this.features.set(key, at(computed, i));
      this.changed = true;
    }
    return items.flatMap((item) => this.features.get(keyOf(item)) ?? []);
  }

  /** Writes what is new; the file is wholly the new one or the old one. */
  async save(): Promise<void> {
    if (this.file === null || !this.changed) return;
    const tensors = new Map<string, Tensor>();
    for (const [key, data] of this.features) tensors.set(key, floatTensor([data.length], data));
    await writeSafetensors(this.file, tensors);
    this.changed = false;
  }
}

/** 32 hexadecimal digits that stand for a file's content. */
export async function hashFile(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  });
  return digest(bytes);
}

/** The same of a text. */
export function hashText(text: string): string {
  return digest(Buffer.from(text));
}

const sampled = 1 << 20;

/** Stands for weights: the size, beginning and end of each file, since hashing gigabytes would take longer than using them. */
export async function fingerprint(...files: readonly string[]): Promise<string> {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const handle = await open(file, "r").catch((error: unknown) => {
      throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
    });
    try {
      const { size } = await handle.stat();
      parts.push(Buffer.from(String(size)));
      for (const start of [0, Math.max(0, size - sampled)]) {
        const { buffer, bytesRead } = await handle.read(
          Buffer.alloc(Math.min(size, sampled)),
          0,
          Math.min(size, sampled),
          start,
        );
        parts.push(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }
  return digest(Buffer.concat(parts)).slice(0, 16);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}
