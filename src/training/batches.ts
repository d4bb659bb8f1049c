/** @file Samples batches of image-caption pairs: every image once per epoch, in an order determined by the seed. */

import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { type Augmentation, noAugmentation, sampleView } from "../data/augmentation.js";
import { normalCaption } from "../data/caption.js";
import type { CaptionedImage, ImageSource } from "../data/captioned-image.js";
import type { View } from "../data/load-image.js";
import type { ImagePool } from "../data/mixture.js";

/** An image with the caption and the crop used in one batch. */
export interface TrainingPair {
  readonly image: ImageSource;
  readonly caption: string;
  readonly view: View;
}

export interface BatchSettings {
  /** Pairs per batch. */
  readonly size: number;
  readonly seed: number;
  readonly augmentation?: Augmentation;
}

/** The position of a sampler. Seed and data determine all batches, so their number is enough to resume. */
export interface SamplerState {
  readonly seed: number;
  /** Batches sampled so far. */
  readonly batches: number;
}

/** An endless sequence of batches. */
export class BatchSampler {
  private readonly pools: readonly PoolQueue[];
  private readonly random: Generator;
  private batches = 0;

  /** Resumes from `state` if it is given; data and settings must be those of the sampler that it came from. */
  constructor(
    pools: readonly ImagePool[],
    private readonly settings: BatchSettings,
    state?: SamplerState,
  ) {
    const { seed, augmentation = noAugmentation } = settings;
    this.random = new Generator(streamSeed(seed));
    this.pools = pools.map((pool) => new PoolQueue(pool, augmentation, this.random));
    if (state === undefined) return;
    if (state.seed !== seed)
      throw new InputError(`the order of images was sampled with seed ${state.seed}, not ${seed}`);
    while (this.batches < state.batches) this.next();
  }

  state(): SamplerState {
    return { seed: this.settings.seed, batches: this.batches };
  }

  /**
   * The next batch. The pool of each pair is sampled according to the shares. A pair that would be a false negative, because its
   * image or an equivalent caption (`normalCaption`) is in the batch already, waits for the next batch. If a pool has no suitable
   * pair, the others fill the batch.
   *
   * @throws InputError if there are too few images with different captions
   */
  next(): TrainingPair[] {
    const batch: TrainingPair[] = [];
    const used = { images: new Set<string>(), captions: new Set<string>() };
    const fits = ({ pair, key }: QueuedPair) => !used.images.has(pair.image.id) && !used.captions.has(key);
    const available = new Set(this.pools);
    while (batch.length < this.settings.size) {
      const pool = this.choosePool([...available]);
      if (pool === undefined) throw this.tooFewError(batch.length);
      const next = pool.take(fits);
      if (next === undefined) available.delete(pool);
      else {
        batch.push(next.pair);
        used.images.add(next.pair.image.id);
        used.captions.add(next.key);
      }
    }
    for (const pool of this.pools) pool.endBatch();
    this.batches++;
    return batch;
  }

  private choosePool(available: readonly PoolQueue[]): PoolQueue | undefined {
    if (available.length < 2) return available[0];
    let rest = this.random.uniform() * available.reduce((sum, { share }) => sum + share, 0);
    for (const pool of available) {
      rest -= pool.share;
      if (rest < 0) return pool;
    }
    return available.at(-1);
  }

  private tooFewError(found: number): InputError {
    return new InputError(
      `a batch of ${this.settings.size} needs as many images with different captions, but the data set has only ${found}: use a smaller \`batch\` or more images`,
    );
  }
}

/** A stream of its own: noise and timesteps use the seed itself. */
function streamSeed(seed: number): number {
  return (seed + 0x9e3779b9) % 2 ** 32;
}

interface QueuedPair {
  readonly pair: TrainingPair;
  readonly key: string;
}

/** The queue of pairs of one pool. */
class PoolQueue {
  readonly share: number;
  private queue: QueuedPair[] = [];
  private waiting: QueuedPair[] = [];
  private position = 0;
  private epochs = 0;

  constructor(
    private readonly pool: ImagePool,
    private readonly augmentation: Augmentation,
    private readonly random: Generator,
  ) {
    this.share = pool.share;
  }

  /** The next pair that fits; pairs before it wait for the next batch. Undefined if two more epochs have none. */
  take(fits: (pair: QueuedPair) => boolean): QueuedPair | undefined {
    for (;;) {
      if (this.position === this.queue.length) {
        if (++this.epochs > 2) return undefined;
        // Images that are waiting are not queued again, so the queue never exceeds the data set.
        const images = new Set(this.waiting.map(({ pair }) => pair.image.id));
        this.queue = this.sampleEpoch().filter(({ pair }) => !images.has(pair.image.id));
        this.position = 0;
        continue;
      }
      const pair = at(this.queue, this.position++);
      if (fits(pair)) return pair;
      this.waiting.push(pair);
    }
  }

  /** Waiting pairs come first in the next batch. */
  endBatch(): void {
    this.queue = this.waiting.concat(this.queue.slice(this.position));
    [this.waiting, this.position, this.epochs] = [[], 0, 0];
  }

  private sampleEpoch(): QueuedPair[] {
    return this.random.shuffle<CaptionedImage>(this.pool.items).map((image) => {
      const caption = at(image.captions, this.random.integer(image.captions.length));
      const view = sampleView(this.augmentation, caption, this.random);
      return { pair: { image, caption, view }, key: normalCaption(caption) };
    });
  }
}
