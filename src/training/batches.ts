/** @file Which images and captions make a batch: every image once an epoch, in an order drawn from the seed. */

import { InputError } from "../core/errors.js";
import type { Generator } from "../core/random.js";
import type { CaptionedImage, ImageSource } from "../data/captioned-image.js";

/** One image with the caption it wears in this batch. */
export interface TrainingPair {
  readonly image: ImageSource;
  readonly caption: string;
}

/** Draws batches without end. */
export class BatchSampler {
  private queue: TrainingPair[] = [];

  constructor(
    private readonly items: readonly CaptionedImage[],
    private readonly size: number,
    private readonly generator: Generator,
  ) {}

  /**
   * The next batch. A pair whose image or caption already stands in the batch waits for the next one, since it would be
   * a false negative.
   */
  next(): TrainingPair[] {
    const batch: TrainingPair[] = [];
    const waiting: TrainingPair[] = [];
    let [pairs, position, epochs] = [this.queue, 0, 0];
    while (batch.length < this.size) {
      if (position === pairs.length) {
        if (++epochs > 2) throw this.tooFew(batch.length);
        // An image that waits already is not drawn again: the queue never outgrows the data set.
        const images = new Set(waiting.map(({ image }) => image.id));
        [pairs, position] = [this.drawEpoch().filter(({ image }) => !images.has(image.id)), 0];
        continue;
      }
      const pair = pairs[position++];
      const clashes = batch.some(({ image, caption }) => image.id === pair.image.id || caption === pair.caption);
      (clashes ? waiting : batch).push(pair);
    }
    this.queue = waiting.concat(pairs.slice(position));
    return batch;
  }

  private drawEpoch(): TrainingPair[] {
    return this.generator.shuffle(this.items).map((image) => ({
      image,
      caption: image.captions[this.generator.integer(image.captions.length)],
    }));
  }

  private tooFew(found: number): InputError {
    return new InputError(
      `a batch of ${this.size} needs as many images with different captions, the data set gives ${found}: use a smaller --batch or more images`,
    );
  }
}
