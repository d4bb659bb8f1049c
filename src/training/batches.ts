/** @file Which images and captions make a batch: every image once an epoch, in an order drawn from the seed. */

import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { type Augmentation, drawView, noAugmentation } from "../data/augmentation.js";
import { normalCaption } from "../data/caption.js";
import type { CaptionedImage, ImageSource } from "../data/captioned-image.js";
import type { View } from "../data/load-image.js";
import type { ImagePool } from "../data/mixture.js";

/** One image with the caption it wears in this batch, and what of the image is seen. */
export interface TrainingPair {
  readonly image: ImageSource;
  readonly caption: string;
  readonly view: View;
}

export interface BatchSettings {
  /** Pairs a batch. */
  readonly size: number;
  readonly seed: number;
  readonly augmentation?: Augmentation;
}

/** Where a sampler stands. What it draws follows from seed and data alone, so a count is enough to go on from there. */
export interface SamplerState {
  readonly seed: number;
  /** Batches drawn so far. */
  readonly batches: number;
}

/** Draws batches without end. */
export class BatchSampler {
  private readonly pools: readonly PoolQueue[];
  private readonly random: Generator;
  private batches = 0;

  /** With `state` it goes on as the sampler did whose state it was; the data and settings must be the same. */
  constructor(
    pools: readonly ImagePool[],
    private readonly settings: BatchSettings,
    state?: SamplerState,
  ) {
    const { seed, augmentation = noAugmentation } = settings;
    this.random = new Generator(streamSeed(seed));
    this.pools = pools.map((pool) => new PoolQueue(pool, augmentation, this.random));
    if (state === undefined) return;
    if (state.seed !== seed) throw new InputError(`the order of images was drawn from seed ${state.seed}, not ${seed}`);
    while (this.batches < state.batches) this.next();
  }

  state(): SamplerState {
    return { seed: this.settings.seed, batches: this.batches };
  }

  /**
   * The next batch. Each pair comes from a pool that is drawn by its share. A pair whose image stands in the batch
   * already, or whose caption says the same as another one (`normalCaption`), waits for the next batch, since it would be
   * a false negative. Where a pool has no other pair left, another pool takes its turn.
   */
  next(): TrainingPair[] {
    const batch: TrainingPair[] = [];
    const taken = { images: new Set<string>(), captions: new Set<string>() };
    const fits = ({ pair, key }: QueuedPair) => !taken.images.has(pair.image.id) && !taken.captions.has(key);
    const open = new Set(this.pools);
    while (batch.length < this.settings.size) {
      const pool = this.choosePool([...open]);
      if (pool === undefined) throw this.tooFew(batch.length);
      const next = pool.take(fits);
      if (next === undefined) open.delete(pool);
      else {
        batch.push(next.pair);
        taken.images.add(next.pair.image.id);
        taken.captions.add(next.key);
      }
    }
    for (const pool of this.pools) pool.endBatch();
    this.batches++;
    return batch;
  }

  private choosePool(open: readonly PoolQueue[]): PoolQueue | undefined {
    if (open.length < 2) return open[0];
    let rest = this.random.uniform() * open.reduce((sum, { share }) => sum + share, 0);
    for (const pool of open) {
      rest -= pool.share;
      if (rest < 0) return pool;
    }
    return open.at(-1);
  }

  private tooFew(found: number): InputError {
    return new InputError(
      `a batch of ${this.settings.size} needs as many images with different captions, the data set gives ${found}: use a smaller \`batch\` or more images`,
    );
  }
}

/** Noise and timesteps are drawn from the seed itself; this stream must not follow them. */
function streamSeed(seed: number): number {
  return (seed + 0x9e3779b9) % 2 ** 32;
}

interface QueuedPair {
  readonly pair: TrainingPair;
  readonly key: string;
}

/** The pairs of one pool, in the order in which their turn comes. */
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

  /** The next pair that fits; those before it wait. Undefined where two more epochs hold none. */
  take(fits: (pair: QueuedPair) => boolean): QueuedPair | undefined {
    for (;;) {
      if (this.position === this.queue.length) {
        if (++this.epochs > 2) return undefined;
        // An image that waits already is not drawn again: the queue never outgrows the data set.
        const images = new Set(this.waiting.map(({ pair }) => pair.image.id));
        this.queue = this.drawEpoch().filter(({ pair }) => !images.has(pair.image.id));
        this.position = 0;
        continue;
      }
      const pair = at(this.queue, this.position++);
      if (fits(pair)) return pair;
      this.waiting.push(pair);
    }
  }

  /** Those that waited have the first turns in the next batch. */
  endBatch(): void {
    this.queue = this.waiting.concat(this.queue.slice(this.position));
    [this.waiting, this.position, this.epochs] = [[], 0, 0];
  }

  private drawEpoch(): QueuedPair[] {
    return this.random.shuffle<CaptionedImage>(this.pool.items).map((image) => {
      const caption = at(image.captions, this.random.integer(image.captions.length));
      const view = drawView(this.augmentation, caption, this.random);
      return { pair: { image, caption, view }, key: normalCaption(caption) };
    });
  }
}
