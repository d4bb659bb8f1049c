/** @file Images that are kept back from training to measure it by. */

import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import type { ImagePool } from "../data/mixture.js";

export interface HeldOut {
  readonly pools: readonly ImagePool[];
  /** In an order drawn from the seed. */
  readonly heldOut: readonly CaptionedImage[];
}

/** Takes `count` images out of the pools, drawn evenly from all of their images. */
export function holdOut(pools: readonly ImagePool[], count: number, seed: number): HeldOut {
  const all = pools.flatMap(({ items }) => items);
  if (count >= all.length)
    throw new InputError(`\`holdOut\` ${count} leaves nothing of ${all.length} images to train on`);
  // Not the seed's own stream: noise and timesteps are drawn from that.
  const heldOut = new Generator((seed + 0x51ed270b) % 2 ** 32).shuffle(all).slice(0, count);
  const taken = new Set(heldOut);
  const left = pools.map(({ items, share }) => ({ items: items.filter((item) => !taken.has(item)), share }));
  if (left.some(({ items }) => items.length === 0)) {
    throw new InputError(`\`holdOut\` ${count} leaves nothing of one of the data sets: hold out fewer`);
  }
  return { pools: left, heldOut };
}
