/** @file How training varies its pictures: where they are cropped, and whether they are mirrored. */

import type { Generator } from "../core/random.js";
import type { View } from "./load-image.js";

export interface Augmentation {
  /** Pictures of another shape keep their middle, or a part that is drawn anew each time. */
  readonly crop: "center" | "random";
  /** Whether every other picture, on the average, is mirrored; never one whose caption names left or right. */
  readonly flip: boolean;
}

export const noAugmentation: Augmentation = { crop: "center", flip: false };

/** Draws the view of one picture. What is not random takes no number from the generator. */
export function drawView({ crop, flip }: Augmentation, caption: string, random: Generator): View {
  const mirrored = flip && random.uniform() < 0.5 && !namesSide(caption);
  return { crop: crop === "center" ? crop : { x: random.uniform(), y: random.uniform() }, flip: mirrored };
}

/** Whether a caption names left or right: as words, or in left-hand, rightmost, leftwards and the like. */
export function namesSide(caption: string): boolean {
  return /(?<![\p{L}\p{N}])(left|right)(most|wards?|side|hand(ed)?|facing)?(?![\p{L}\p{N}])/iu.test(caption);
}

/**
 * Names what one view of an image looks like, for caches; undefined where the view is drawn anew each time, so that keeping
 * it would fill memory with what never comes up again.
 */
export function viewKey(id: string, { crop, flip = false }: View): string | undefined {
  return crop === "center" ? `${flip ? "mirrored" : "upright"} ${id}` : undefined;
}
