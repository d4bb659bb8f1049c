/**
 * @file Latents and text embeddings of batches. Encodes a window of batches ahead of training, so that the encoders and the training
 * graph are not in memory together, and caches encodings up to a limit.
 */

import { type Abortable, InputError } from "../core/errors.js";
import { concatRows, type FloatTensor, sizeOf } from "../core/tensor.js";
import { viewKey } from "../data/augmentation.js";
import type { ImageSource } from "../data/captioned-image.js";
import { loadImage } from "../data/load-image.js";
import { conditioningAt, joinConditioning } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { TrainingPair } from "./batches.js";
import { EncodingStore } from "./encoding-store.js";
import type { LatentsCache } from "./latents-cache/latents-cache.js";

/** Bytes of cached encodings, half for images and half for captions. */
const defaultLimit = 2 * 2 ** 30;
/** Default limit on the batches of a window. */
const defaultWindow = 256;
/** The first window is short, so that faulty data or settings are detected early. */
const firstWindow = 8;

/** The denoiser's inputs for a batch; row i of each tensor belongs to pair i. */
export interface EncodedBatch {
  readonly latents: FloatTensor;
  readonly conditioning: Conditioning;
}

export type Encoders = Pick<
  DiffusionPipeline,
  "encodePrompts" | "encodeImages" | "releaseEncoders" | "conditioningShapes" | "latentChannels" | "vaeScaleFactor"
>;

export interface EncodingSettings {
  /** Images are resized and cropped to this size in pixels. */
  readonly resolution: number;
  readonly onTruncated: (prompt: TruncatedPrompt) => void;
  /** Batches per window (default: as many as fit into the limit, up to 256). */
  readonly window?: number | undefined;
  /** A cache on disk across runs. With it, all latents are rounded to float16, even those that are not stored. */
  readonly latentsCache?: LatentsCache | undefined;
  /** Bytes of encodings cached in memory (default 2 GiB); an explicit window may exceed it. */
  readonly limit?: number | undefined;
}

/** Results do not depend on the window, the limit or the history: each image and caption is encoded separately. */
export class EncodedData {
  private readonly latents: EncodingStore<FloatTensor>;
  private readonly texts: EncodingStore<Conditioning>;
  /** Latents of random crops, which never repeat, until they are used. */
  private readonly uncached = new Map<TrainingPair, FloatTensor>();
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
   * Encodes the next window of batches, then frees the encoders. Returns the number of batches, at least one if there is one.
   * Unreadable images are skipped, and `encode` reports them, so that the batches before them are still used for training.
   *
   * @throws InterruptedError if the signal is aborted
   */
  async prepare(
    upcoming: (limit: number) => Iterable<readonly TrainingPair[]>,
    options: Abortable & { readonly onProgress?: ((done: number, total: number) => void) | undefined } = {},
  ): Promise<number> {
    const window = this.chooseWindow(upcoming);
    this.texts.pin(window.captions);
    this.latents.pin(new Set(window.pairs.flatMap(({ image, view }) => viewKey(image.id, view) ?? [])));
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

  /**
   * Returns the encodings of a batch; encodes what is not prepared.
   *
   * @throws InputError if an image cannot be read
   */
  async encode(pairs: readonly TrainingPair[], options?: Abortable): Promise<EncodedBatch> {
    const latents: FloatTensor[] = [];
    for (const pair of pairs) {
      const tensor = this.knownLatents(pair) ?? (await this.encodeImage(pair, options));
      latents.push(tensor);
      this.uncached.delete(pair);
      const key = viewKey(pair.image.id, pair.view);
      if (key !== undefined) this.latents.set(key, tensor);
    }
    // The cache may be too small for the captions of one batch.
    const batchTexts = new Map<string, Conditioning>();
    const texts: Conditioning[] = [];
    for (const { caption } of pairs) {
      const text = batchTexts.get(caption) ?? this.texts.get(caption) ?? (await this.encodeCaption(caption, options));
      batchTexts.set(caption, text);
      texts.push(text);
    }
    for (const [caption, text] of batchTexts) this.texts.set(caption, text);
    return { latents: concatRows(latents), conditioning: joinConditioning(texts) };
  }

  /** The next batches whose encodings fit into the limit, with their distinct captions and images. */
  private chooseWindow(upcoming: (limit: number) => Iterable<readonly TrainingPair[]>) {
    const { window = defaultWindow, limit = defaultLimit, resolution } = this.settings;
    const { conditioningShapes, latentChannels, vaeScaleFactor } = this.pipeline;
    const textBytes = 4 * Object.values(conditioningShapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
    const latentBytes = 4 * latentChannels * (resolution / vaeScaleFactor) ** 2;
    const captions = new Set<string>();
    const pairs = new Map<string | TrainingPair, TrainingPair>();
    let batches = 0;
    for (const batch of upcoming(this.windows === 0 ? Math.min(window, firstWindow) : window)) {
      const texts = captions.size + batch.filter(({ caption }) => !captions.has(caption)).length;
      const images = pairs.size + batch.filter((pair) => !pairs.has(identityOf(pair))).length;
      const fits = texts * textBytes <= limit / 2 && images * latentBytes <= limit / 2;
      if (batches > 0 && this.settings.window === undefined && !fits) break;
      for (const pair of batch) {
        captions.add(pair.caption);
        pairs.set(identityOf(pair), pair);
      }
      batches++;
    }
    return { captions, pairs: [...pairs.values()], batches };
  }

  private async prepareLatents(pair: TrainingPair, options: Abortable): Promise<void> {
    try {
      const latents = await this.encodeImage(pair, options);
      const key = viewKey(pair.image.id, pair.view);
      if (key === undefined) this.uncached.set(pair, latents);
      else this.latents.set(key, latents);
    } catch (error) {
      // `encode` reports it when the batch is used.
      if (!(error instanceof InputError)) throw error;
    }
  }

  private knownLatents(pair: TrainingPair): FloatTensor | undefined {
    const key = viewKey(pair.image.id, pair.view);
    return key === undefined ? this.uncached.get(pair) : this.latents.get(key);
  }

  /** One caption per call: the last bits of an embedding depend on the batch size of the encoder. */
  private async encodeCaption(caption: string, options?: Abortable): Promise<Conditioning> {
    const { conditioning, truncated } = await this.pipeline.encodePrompts([caption], options);
    for (const prompt of truncated) this.settings.onTruncated(prompt);
    return detach(conditioningAt(conditioning, 0));
  }

  private async encodeImage({ image, view }: TrainingPair, options?: Abortable): Promise<FloatTensor> {
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

/** Identifies an image in a view; random crops are always distinct. */
function identityOf(pair: TrainingPair): string | TrainingPair {
  return viewKey(pair.image.id, pair.view) ?? pair;
}

/** Copies tensors out of memory shared with other texts. */
function detach(text: Conditioning): Conditioning {
  return Object.fromEntries(
    Object.entries(text).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
  );
}
