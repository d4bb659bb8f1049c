/** @file Masks: which pixels may change, how they are grown, and what the latents see of them. */

import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { type Plane, squaredDistances } from "./distance.js";

/** 1 where the image may change, 0 where it is kept; or, before the threshold, grey values. */
export type Mask = Plane;

/** Grey values split at one half: 128 is 1, 127 is 0. */
export function thresholdMask({ width, height, data }: Mask): Mask {
  return { width, height, data: data.map((grey) => (grey >= 128 ? 1 : 0)) };
}

/** The mask in another size: of each place the pixel at its upper left, without averaging (torch's interpolate(mode="nearest")). */
export function sampleMask(mask: Mask, width: number, height: number): Mask {
  const data = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = Math.floor((row * mask.height) / height) * mask.width;
    for (let column = 0; column < width; column++) {
      data[row * width + column] = at(mask.data, from + Math.floor((column * mask.width) / width));
    }
  }
  return { width, height, data };
}

/** The mask as latents of `width` and `height` see it: [1, 1, height, width]. */
export function latentMask(mask: Mask, width: number, height: number): FloatTensor {
  return floatTensor([1, 1, height, width], Float32Array.from(sampleMask(mask, width, height).data));
}

/** The mask with everything within `pixels` of it. */
export function growMask(mask: Mask, pixels: number): Mask {
  if (pixels === 0) return mask;
  const distances = squaredDistances(mask, (value) => value === 1);
  return { ...mask, data: Uint8Array.from(distances, (squared) => (squared <= pixels ** 2 ? 1 : 0)) };
}

/**
 * How much of each pixel is taken from the edited image, 0..1: nothing outside of the mask; inside, all of it from `feather` pixels behind
 * its edge on, and less in between.
 */
export function pasteWeights(mask: Mask, feather: number): Float32Array {
  if (feather === 0) return Float32Array.from(mask.data);
  const distances = squaredDistances(mask, (value) => value === 0);
  return Float32Array.from(distances, (squared) => Math.min(1, Math.sqrt(squared) / (feather + 1)));
}

/** The share of the image that may change. */
export function coverage({ data }: Mask): number {
  return data.reduce((sum, value) => sum + value, 0) / data.length;
}
