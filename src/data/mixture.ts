/** @file Several data sets at once: how many of the images drawn come from each. */

import { UsageError } from "../core/errors.js";
import type { CaptionedImage } from "./captioned-image.js";

/** Images that are drawn in a shuffled order of their own, each once before any comes again. */
export interface ImagePool {
  readonly items: readonly CaptionedImage[];
  /** Share of all draws, above 0; those of a mixture sum to 1. */
  readonly share: number;
}

/** Images of one data set, and how much of what is drawn they should be. */
export interface WeightedImages {
  readonly items: readonly CaptionedImage[];
  readonly weight: number | undefined;
}

/**
 * Pools of a mixture.
 *
 * Without weights all images of all sets are one pool, so each comes up equally often. A weight is a share of the draws:
 * 0.3 means that 30% of the images come from this set, and the sets without a weight are one pool that has the rest. Where
 * every set has a weight, only their proportion counts.
 *
 * @throws UsageError where weights leave nothing for a set without one
 */
export function mixPools(sets: readonly WeightedImages[]): ImagePool[] {
  const weighted = sets.flatMap(({ items, weight }) => (weight === undefined ? [] : [{ items, share: weight }]));
  const rest = sets.filter(({ weight }) => weight === undefined).flatMap(({ items }) => items);
  const sum = weighted.reduce((total, { share }) => total + share, 0);
  if (weighted.length === sets.length) return weighted.map(({ items, share }) => ({ items, share: share / sum }));
  if (sum >= 1) {
    throw new UsageError(
      `the weights of data sets sum to ${sum}, which leaves nothing for those without one: a weight is a share of the images drawn, such as 0.3`,
    );
  }
  return [...weighted, { items: rest, share: 1 - sum }];
}
