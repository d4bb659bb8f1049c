/** @file Masks of editable pixels: threshold, growth, feathering, and sampling to latents. */

import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { type Plane, squaredDistances } from "./distance.js";

/** 1 where the image may change, 0 elsewhere; grey values before the threshold. */
export type Mask = Plane;

/** Splits grey values at one half: 128 becomes 1, 127 becomes 0. */
export function thresholdMask({ width, height, data }: Mask): Mask {
  return { width, height, data: data.map((grey) => (grey >= 128 ? 1 : 0)) };
}

/** Resizes by taking the upper-left pixel of each cell, without averaging (torch's interpolate(mode="nearest")). */
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

/** The mask at the size of latents, [1, 1, height, width]. */
export function latentMask(mask: Mask, width: number, height: number): FloatTensor {
  return floatTensor([1, 1, height, width], Float32Array.from(sampleMask(mask, width, height).data));
}

/** Extends the mask by `pixels` in every direction. */
export function growMask(mask: Mask, pixels: number): Mask {
  if (pixels === 0) return mask;
  const distances = squaredDistances(mask, (value) => value === 1);
  return { ...mask, data: Uint8Array.from(distances, (squared) => (squared <= pixels ** 2 ? 1 : 0)) };
}

/**
 * The weight of the edited image in each pixel, 0..1: 0 outside the mask; inside, it rises over `feather` pixels from the edge of the
 * mask to 1.
 */
export function pasteWeights(mask: Mask, feather: number): Float32Array {
  if (feather === 0) return Float32Array.from(mask.data);
  const distances = squaredDistances(mask, (value) => value === 0);
  return Float32Array.from(distances, (squared) => Math.min(1, Math.sqrt(squared) / (feather + 1)));
}

/** The share of pixels that may change. */
export function coverage({ data }: Mask): number {
  return data.reduce((sum, value) => sum + value, 0) / data.length;
}
