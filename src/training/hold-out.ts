/** @file Splits off images for validation. */

import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import type { ImagePool } from "../data/mixture.js";

export interface HeldOut {
  readonly pools: readonly ImagePool[];
  /** In random order. */
  readonly heldOut: readonly CaptionedImage[];
}

/**
 * Takes `count` images out of the pools, sampled uniformly from all of their images.
 *
 * @throws InputError if a pool would have no images for training
 */
export function holdOut(pools: readonly ImagePool[], count: number, seed: number): HeldOut {
  const all = pools.flatMap(({ items }) => items);
  if (count >= all.length)
    throw new InputError(`\`holdOut\` ${count} leaves none of ${all.length} images for training`);
  // A stream of its own: noise and timesteps use the seed itself.
  const heldOut = new Generator((seed + 0x51ed270b) % 2 ** 32).shuffle(all).slice(0, count);
  const excluded = new Set(heldOut);
  const remaining = pools.map(({ items, share }) => ({ items: items.filter((item) => !excluded.has(item)), share }));
  if (remaining.some(({ items }) => items.length === 0)) {
    throw new InputError(`\`holdOut\` ${count} leaves one of the data sets empty: hold out fewer images`);
  }
  return { pools: remaining, heldOut };
}
