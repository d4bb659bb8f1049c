/** @file Latents and text embeddings of batches, kept in memory up to a limit. */

import { concatRows, type FloatTensor } from "../core/tensor.js";
import { viewKey } from "../data/augmentation.js";
import { loadImage } from "../data/load-image.js";
import { joinConditioning, textOf } from "../pipelines/conditioning.js";
import type { BeforeRun, Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { TrainingPair } from "./batches.js";

/** Bytes of encodings that are kept, half for images and half for captions. */
const defaultLimit = 2 * 2 ** 30;

/** A batch as the denoiser reads it; row i of every tensor belongs to pair i. */
export interface EncodedBatch {
  readonly latents: FloatTensor;
  readonly conditioning: Conditioning;
}

export class EncodedData {
  private readonly latents: LimitedCache<FloatTensor>;
  private readonly texts: LimitedCache<Conditioning>;

  constructor(
    private readonly pipeline: Pick<DiffusionPipeline, "encodePrompts" | "encodeImages">,
    /** Pixels a side that images are resized and cropped to. */
    private readonly resolution: number,
    private readonly onTruncated: (cut: TruncatedPrompt) => void,
    limit = defaultLimit,
  ) {
    this.latents = new LimitedCache(limit / 2, ({ data }) => data.byteLength);
    this.texts = new LimitedCache(limit / 2, (text) =>
      Object.values(text).reduce((sum, { data }) => sum + data.byteLength, 0),
    );
  }

  async encode(pairs: readonly TrainingPair[], beforeRun?: BeforeRun): Promise<EncodedBatch> {
    const latents: FloatTensor[] = [];
    for (const pair of pairs) latents.push(await this.latentsOf(pair, beforeRun));
    const missing = [...new Set(pairs.map(({ caption }) => caption))].filter((caption) => !this.texts.get(caption));
    const fresh = new Map<string, Conditioning>();
    // One by one: how many captions are new depends on what was encoded before, and with it the last bits would.
    for (const caption of missing) {
      const { conditioning, truncated } = await this.pipeline.encodePrompts([caption], beforeRun);
      for (const cut of truncated) this.onTruncated(cut);
      fresh.set(caption, detach(textOf(conditioning, 0)));
    }
    const texts = pairs.map(({ caption }) => {
      const text = fresh.get(caption) ?? this.texts.get(caption);
      if (text === undefined) throw new Error(`caption lost: ${caption}`);
      return text;
    });
    for (const [caption, text] of fresh) this.texts.set(caption, text);
    return { latents: concatRows(latents), conditioning: joinConditioning(texts) };
  }

  private async latentsOf({ image, view }: TrainingPair, beforeRun?: BeforeRun): Promise<FloatTensor> {
    const key = viewKey(image.id, view);
    const known = key === undefined ? undefined : this.latents.get(key);
    if (known !== undefined) return known;
    const pixels = await loadImage(image, { width: this.resolution, height: this.resolution, ...view });
    const latents = await this.pipeline.encodeImages({ ...pixels, shape: [1, ...pixels.shape] }, beforeRun);
    if (key !== undefined) this.latents.set(key, latents);
    return latents;
  }
}

/** Copies rows out of the batch that they share memory with. */
function detach(text: Conditioning): Conditioning {
  return Object.fromEntries(
    Object.entries(text).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
  );
}

/** A map that forgets its oldest entries beyond a number of bytes. */
class LimitedCache<T> {
  private readonly entries = new Map<string, T>();
  private bytes = 0;

  constructor(
    private readonly limit: number,
    private readonly sizeOf: (value: T) => number,
  ) {}

  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  set(key: string, value: T): void {
    this.entries.set(key, value);
    this.bytes += this.sizeOf(value);
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.limit || oldest === key) break;
      this.entries.delete(oldest);
      this.bytes -= this.sizeOf(old);
    }
  }
}
