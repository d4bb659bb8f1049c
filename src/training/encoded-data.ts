/**
 * @file Latents and text embeddings of batches: encoded ahead for a window of batches, so that encoders and training are not in
 * memory together, and kept up to a limit.
 */

import { InputError, type Stoppable } from "../core/errors.js";
import { concatRows, type FloatTensor, sizeOf } from "../core/tensor.js";
import { viewKey } from "../data/augmentation.js";
import type { ImageSource } from "../data/captioned-image.js";
import { loadImage } from "../data/load-image.js";
import { conditioningAt, joinConditioning } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { TrainingPair } from "./batches.js";
import { EncodingStore } from "./encoding-store.js";
import type { LatentsCache } from "./latents-cache/latents-cache.js";

/** Bytes of encodings that are kept, half for images and half for captions. */
const defaultLimit = 2 * 2 ** 30;
/** Most batches that are encoded ahead where the user does not say. */
const defaultWindow = 256;
/** The first window is short: what is wrong with data or settings should show soon. */
const firstWindow = 8;

/** A batch as the denoiser reads it; row i of every tensor belongs to pair i. */
export interface EncodedBatch {
  readonly latents: FloatTensor;
  readonly conditioning: Conditioning;
}

/** What encoding needs of a pipeline. */
export type Encoders = Pick<
  DiffusionPipeline,
  "encodePrompts" | "encodeImages" | "releaseEncoders" | "conditioningShapes" | "latentChannels" | "vaeScaleFactor"
>;

export interface EncodingSettings {
  /** Pixels a side that images are resized and cropped to. */
  readonly resolution: number;
  readonly onTruncated: (cut: TruncatedPrompt) => void;
  /** Batches a window; as many as the limit holds, up to 256, where undefined. */
  readonly window?: number | undefined;
  /** Where latents are kept between runs. With it they are always rounded to float16, whether they are kept or not. */
  readonly latentsCache?: LatentsCache | undefined;
  /** Bytes of encodings that are kept in memory (default 2 GiB); a window that was asked for may take more. */
  readonly limit?: number | undefined;
}

/** What comes out does not depend on windows, limits or what was encoded before: everything is encoded by itself. */
export class EncodedData {
  private readonly latents: EncodingStore<FloatTensor>;
  private readonly texts: EncodingStore<Conditioning>;
  /** Latents of views that never come again, until their turn. */
  private readonly passing = new Map<TrainingPair, FloatTensor>();
  private windows = 0;

  constructor(
    private readonly pipeline: Encoders,
    private readonly settings: EncodingSettings,
  ) {
    const half = (settings.limit ?? defaultLimit) / 2;
    this.latents = new EncodingStore(half, ({ data }) => data.byteLength);
    this.texts = new EncodingStore(half, (text) =>
      Object.values(text).reduce((sum, { data }) => sum + data.byteLength, 0),
    );
  }

  /**
   * Encodes what the next batches need, then frees the encoders. Returns how many batches that are, one at least where there
   * is one. An image that cannot be read is left to `encode`, so that the batches before it are trained on.
   */
  async prepare(
    upcoming: (most: number) => Iterable<readonly TrainingPair[]>,
    options: Stoppable & { readonly onProgress?: ((done: number, total: number) => void) | undefined } = {},
  ): Promise<number> {
    const window = this.chooseWindow(upcoming);
    this.texts.need(window.captions);
    this.latents.need(new Set(window.pairs.flatMap(({ image, view }) => viewKey(image.id, view) ?? [])));
    const captions = [...window.captions].filter((caption) => this.texts.get(caption) === undefined);
    const pairs = window.pairs.filter((pair) => this.knownLatents(pair) === undefined);
    const total = captions.length + pairs.length;
    let done = 0;
    for (const caption of captions) {
      this.texts.set(caption, await this.encodeCaption(caption, options));
      options.onProgress?.(++done, total);
    }
    for (const pair of pairs) {
      await this.prepareLatents(pair, options);
      options.onProgress?.(++done, total);
    }
    await this.pipeline.releaseEncoders();
    this.windows++;
    return window.batches;
  }

  /** What was not prepared is encoded now. */
  async encode(pairs: readonly TrainingPair[], options?: Stoppable): Promise<EncodedBatch> {
    const latents: FloatTensor[] = [];
    for (const pair of pairs) {
      const tensor = this.knownLatents(pair) ?? (await this.encodeImage(pair, options));
      latents.push(tensor);
      this.passing.delete(pair);
      const key = viewKey(pair.image.id, pair.view);
      if (key !== undefined) this.latents.set(key, tensor);
    }
    // Not read back from what is kept, which may be too little for one batch.
    const own = new Map<string, Conditioning>();
    const texts: Conditioning[] = [];
    for (const { caption } of pairs) {
      const text = own.get(caption) ?? this.texts.get(caption) ?? (await this.encodeCaption(caption, options));
      own.set(caption, text);
      texts.push(text);
    }
    for (const [caption, text] of own) this.texts.set(caption, text);
    return { latents: concatRows(latents), conditioning: joinConditioning(texts) };
  }

  /** Batches whose captions and latents fit into memory, with what they need of both. */
  private chooseWindow(upcoming: (most: number) => Iterable<readonly TrainingPair[]>) {
    const { window = defaultWindow, limit = defaultLimit, resolution } = this.settings;
    const { conditioningShapes, latentChannels, vaeScaleFactor } = this.pipeline;
    const textBytes = 4 * Object.values(conditioningShapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
    const latentBytes = 4 * latentChannels * (resolution / vaeScaleFactor) ** 2;
    const captions = new Set<string>();
    const pairs = new Map<string | TrainingPair, TrainingPair>();
    let batches = 0;
    for (const batch of upcoming(this.windows === 0 ? Math.min(window, firstWindow) : window)) {
      const texts = captions.size + batch.filter(({ caption }) => !captions.has(caption)).length;
      const images = pairs.size + batch.filter((pair) => !pairs.has(nameOf(pair))).length;
      const fits = texts * textBytes <= limit / 2 && images * latentBytes <= limit / 2;
      if (batches > 0 && this.settings.window === undefined && !fits) break;
      for (const pair of batch) {
        captions.add(pair.caption);
        pairs.set(nameOf(pair), pair);
      }
      batches++;
    }
    return { captions, pairs: [...pairs.values()], batches };
  }

  private async prepareLatents(pair: TrainingPair, options: Stoppable): Promise<void> {
    try {
      const latents = await this.encodeImage(pair, options);
      const key = viewKey(pair.image.id, pair.view);
      if (key === undefined) this.passing.set(pair, latents);
      else this.latents.set(key, latents);
    } catch (error) {
      // `encode` will say it in its turn.
      if (!(error instanceof InputError)) throw error;
    }
  }

  private knownLatents(pair: TrainingPair): FloatTensor | undefined {
    const key = viewKey(pair.image.id, pair.view);
    return key === undefined ? this.passing.get(pair) : this.latents.get(key);
  }

  /** One by one: how many captions are new depends on what was encoded before, and with it the last bits would. */
  private async encodeCaption(caption: string, options?: Stoppable): Promise<Conditioning> {
    const { conditioning, truncated } = await this.pipeline.encodePrompts([caption], options);
    for (const cut of truncated) this.settings.onTruncated(cut);
    return detach(conditioningAt(conditioning, 0));
  }

  private async encodeImage({ image, view }: TrainingPair, options?: Stoppable): Promise<FloatTensor> {
    const { resolution, latentsCache } = this.settings;
    const encode = async (source: ImageSource) => {
      const pixels = await loadImage(source, { width: resolution, height: resolution, ...view });
      return this.pipeline.encodeImages({ ...pixels, shape: [1, ...pixels.shape] }, options);
    };
    if (latentsCache === undefined) return encode(image);
    const bytes = await image.read();
    return latentsCache.latentsOf(bytes, view, () => encode({ id: image.id, read: async () => bytes }));
  }
}

/** Tells views apart; a view that never comes again is like no other. */
function nameOf(pair: TrainingPair): string | TrainingPair {
  return viewKey(pair.image.id, pair.view) ?? pair;
}

/** Copies rows out of the batch that they share memory with. */
function detach(text: Conditioning): Conditioning {
  return Object.fromEntries(
    Object.entries(text).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
  );
}
