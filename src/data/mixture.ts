/** @file Mixes several data sets: the share of sampled images from each. */

import { UsageError } from "../core/errors.js";
import type { CaptionedImage } from "./captioned-image.js";

/** Images that are sampled in shuffled epochs of their own, without repetition within an epoch. */
export interface ImagePool {
  readonly items: readonly CaptionedImage[];
  /** Share of all sampled images, above 0; the shares of a mixture sum to 1. */
  readonly share: number;
}

/** Images of one data set with the weight that the user gave. */
export interface WeightedImages {
  readonly items: readonly CaptionedImage[];
  readonly weight: number | undefined;
}

/**
 * Pools of a mixture.
 *
 * Without weights, all images of all sets are one pool and equally frequent. A weight is a share of the sampled images: 0.3
 * means that 30% come from this set; the sets without a weight are one pool with the rest. If every set has a weight, the
 * weights are normalised.
 *
 * @throws UsageError if the weights leave nothing for a set without one
 */
export function mixPools(sets: readonly WeightedImages[]): ImagePool[] {
  const weighted = sets.flatMap(({ items, weight }) => (weight === undefined ? [] : [{ items, share: weight }]));
  const rest = sets.filter(({ weight }) => weight === undefined).flatMap(({ items }) => items);
  const sum = weighted.reduce((total, { share }) => total + share, 0);
  if (weighted.length === sets.length) return weighted.map(({ items, share }) => ({ items, share: share / sum }));
  if (sum >= 1) {
    throw new UsageError(
      `the weights of data sets sum to ${sum}, which leaves nothing for those without one: a weight is a share of the sampled images, such as 0.3`,
    );
  }
  return [...weighted, { items: rest, share: 1 - sum }];
}
