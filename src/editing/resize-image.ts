/** @file Resizing and cropping images and masks, and pasting the edited image into the source. */

import sharp from "sharp";
import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { pixelBytes } from "../data/png.js";
import type { Mask } from "./mask.js";
import type { Size } from "./sizes.js";

export function sizeOfImage({ shape }: FloatTensor): Size {
  return { width: at(shape, 2), height: at(shape, 1) };
}

export function sameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

/** Resizes an image [3, H, W], each axis by its own factor (Lanczos-3 with antialiasing); returns it unchanged if it has the size. */
export async function resizeImage(image: FloatTensor, size: Size): Promise<FloatTensor> {
  const from = sizeOfImage(image);
  if (sameSize(from, size)) return image;
  const bytes = await sharp(pixelBytes(image), { raw: { ...from, channels: 3 } })
    .resize(size.width, size.height, { fit: "fill", kernel: "lanczos3" })
    .raw()
    .toBuffer();
  return fromBytes(bytes, size);
}

/** Rounds values to those of 8-bit pixels, as saving to PNG does. */
export function rounded(image: FloatTensor): FloatTensor {
  return fromBytes(pixelBytes(image), sizeOfImage(image));
}

/** Converts interleaved bytes to [3, H, W] in -1..1. */
export function fromBytes(bytes: Uint8Array, { width, height }: Size): FloatTensor {
  const area = width * height;
  const image = floatTensor([3, height, width]);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[channel * area + i] = at(bytes, 3 * i + channel) / 127.5 - 1;
    }
  }
  return image;
}

/** The centre of an image. */
export function cropImage(image: FloatTensor, size: Size): FloatTensor {
  const from = sizeOfImage(image);
  const area = from.width * from.height;
  const planes = [0, 1, 2].map((channel) =>
    crop(image.data.subarray(channel * area, (channel + 1) * area), from, size),
  );
  return floatTensor([3, size.height, size.width], Float32Array.from(planes.flatMap((plane) => [...plane])));
}

export function cropMask(mask: Mask, size: Size): Mask {
  return { ...size, data: Uint8Array.from(crop(mask.data, mask, size)) };
}

function crop(plane: Float32Array | Uint8Array, from: Size, { width, height }: Size): Float32Array {
  const [left, top] = [Math.floor((from.width - width) / 2), Math.floor((from.height - height) / 2)];
  const cut = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = (row + top) * from.width + left;
    cut.set(plane.subarray(start, start + width), row * width);
  }
  return cut;
}

/** Mixes two images of one size: `edited` where the weight is 1, `kept` without any change where it is 0. */
export function paste(kept: FloatTensor, edited: FloatTensor, weights: Float32Array): FloatTensor {
  const mixed = kept.data.map((own, i) => {
    const weight = at(weights, i % weights.length);
    return weight === 0 ? own : own + weight * (Math.min(1, Math.max(-1, at(edited.data, i))) - own);
  });
  return floatTensor(kept.shape, mixed);
}
