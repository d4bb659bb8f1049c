/** @file How each metric's author turns an image into numbers; docs/metrics.md lists them side by side. */

import { type FloatTensor, floatTensor } from "../../core/tensor.js";
import { cropCentre, type Kernel, type RgbImage, resizeImage } from "../../data/resample.js";

/** OpenAI's CLIP: mean and deviation of each channel of images in 0..1. */
export const clipMean = [0.48145466, 0.4578275, 0.40821073] as const;
export const clipDeviation = [0.26862954, 0.26130258, 0.27577711] as const;

export type PerChannel = readonly [number, number, number];

/** Bytes to planar [3, H, W]: (value / 255 - mean) / deviation. */
export function normalized(
  { width, height, data }: RgbImage,
  mean: PerChannel = [0, 0, 0],
  deviation: PerChannel = [1, 1, 1],
): FloatTensor {
  const area = width * height;
  const image = floatTensor([3, height, width]);
  for (let channel = 0; channel < 3; channel++) {
    // As PyTorch does it: each step in float32, so that a table of the 256 bytes gives the same bits.
    const table = Float32Array.from({ length: 256 }, (_, byte) =>
      Math.fround(Math.fround(byte / 255) - Math.fround(mean[channel])),
    ).map((value) => value / Math.fround(deviation[channel]));
    const plane = image.data.subarray(channel * area, (channel + 1) * area);
    for (let pixel = 0; pixel < area; pixel++) plane[pixel] = table[data[3 * pixel + channel]];
  }
  return image;
}

/**
 * The shorter side to `side`, then the middle square. The longer side is rounded down. Halves of an odd margin: transformers' CLIPImageProcessor
 * rounds down, torchvision's CenterCrop to the even neighbour.
 */
export function coverSquare(image: RgbImage, side: number, kernel: Kernel, halves: "down" | "even"): RgbImage {
  const { width, height } = image;
  const long = Math.trunc((side * Math.max(width, height)) / Math.min(width, height));
  const resized = resizeImage(image, width <= height ? side : long, width <= height ? long : side, kernel);
  return cropCentre(resized, side, side, halves);
}

/** The longer side to `side`, black around the shorter one (HPSv2's ResizeMaxSize). */
export function containSquare(image: RgbImage, side: number, kernel: Kernel): RgbImage {
  const longest = Math.max(image.width, image.height);
  if (longest === side) return cropCentre(image, side, side, "even");
  const of = (size: number) => Math.max(1, roundHalfEven((size * side) / longest));
  return cropCentre(resizeImage(image, of(image.width), of(image.height), kernel), side, side, "even");
}

/** Python's round. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
}
