/** @file Pictures joined to one. */

import { type FloatTensor, floatTensor } from "../core/tensor.js";

/** Images [3, H, W] of one size from left to right, [3, H, n W]. */
export function sideBySide(images: readonly FloatTensor[]): FloatTensor {
  const [channels, height, width] = images[0].shape;
  const joined = floatTensor([channels, height, width * images.length]);
  for (let line = 0; line < channels * height; line++) {
    for (const [index, { data }] of images.entries()) {
      joined.data.set(data.subarray(line * width, (line + 1) * width), (line * images.length + index) * width);
    }
  }
  return joined;
}
