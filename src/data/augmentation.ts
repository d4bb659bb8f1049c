/** @file Data augmentation for training: random crops and horizontal flips. */

import type { Generator } from "../core/random.js";
import type { View } from "./load-image.js";

export interface Augmentation {
  /** Crop of images with another aspect ratio: their centre, or a random part for each view. */
  readonly crop: "center" | "random";
  /** Flips images with probability 1/2, except those whose caption names left or right. */
  readonly flip: boolean;
}

export const noAugmentation: Augmentation = { crop: "center", flip: false };

/** Samples the view of one image. Advances `random` only for what is random. */
export function sampleView({ crop, flip }: Augmentation, caption: string, random: Generator): View {
  const flipped = flip && random.uniform() < 0.5 && !namesSide(caption);
  return { crop: crop === "center" ? crop : { x: random.uniform(), y: random.uniform() }, flip: flipped };
}

/** Whether a caption names left or right: as words, or in left-hand, rightmost, leftwards and the like. */
export function namesSide(caption: string): boolean {
  return /(?<![\p{L}\p{N}])(left|right)(most|wards?|side|hand(ed)?|facing)?(?![\p{L}\p{N}])/iu.test(caption);
}

/** Cache key for a view of an image; undefined for random crops, which would fill the cache without ever being reused. */
export function viewKey(id: string, { crop, flip = false }: View): string | undefined {
  return crop === "center" ? `${flip ? "mirrored" : "upright"} ${id}` : undefined;
}
