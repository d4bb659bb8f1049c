/** @file Decoding an image to the tensor that a VAE reads. */

import sharp from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import type { ImageSource } from "./captioned-image.js";
import { requireImageBytes } from "./image-format.js";

/** Most pixels an image may have before decoding is refused (a 200-megapixel photograph passes). */
export const maxPixels = 2 ** 28;

export interface LoadImageOptions {
  readonly width: number;
  readonly height: number;
  /** What of a picture of another shape is kept: the middle, after a resize that just covers width x height. */
  readonly crop: "center";
}

/**
 * Reads a png, jpeg or webp as [3,H,W] in [-1,1].
 *
 * Turned upright by its EXIF orientation, brought to sRGB, transparency laid on white, resized so that it covers the
 * size, both axes by the same factor, then cropped to the middle. The kernel is Lanczos-3 with antialiasing (sharper
 * than the bilinear of the PyTorch training scripts, and what people use to prepare data sets by hand).
 */
export async function loadImage(image: ImageSource, options: LoadImageOptions): Promise<FloatTensor> {
  const { width, height } = options;
  const bytes = await image.read();
  requireImageBytes(bytes, image.id);
  let pixels: Uint8Array;
  try {
    const source = sharp(bytes, { limitInputPixels: maxPixels, failOn: "error" });
    const upright = source.autoOrient().flatten({ background: "#ffffff" }).toColourspace("srgb");
    // Shrinking while decoding would make jpeg and webp come out otherwise than a png of the same picture.
    const resized = upright.resize(width, height, { fit: "cover", kernel: "lanczos3", fastShrinkOnLoad: false });
    const { data, info } = await resized.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
    pixels = data;
  } catch (error) {
    if (messageOf(error).includes("exceeds pixel limit")) {
      const limit = `${Math.round(maxPixels / 1e6)} million pixels`;
      throw new InputError(`image ${image.id} is larger than the limit of ${limit}`, { cause: error });
    }
    throw new InputError(`cannot decode image ${image.id}: ${messageOf(error)}`, { cause: error });
  }
  return fromPixels(pixels, width, height);
}

/** Interleaved RGB bytes -> planar [3,H,W] in [-1,1]. */
function fromPixels(pixels: Uint8Array, width: number, height: number): FloatTensor {
  const image = floatTensor([3, height, width]);
  const area = width * height;
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[channel * area + pixel] = (pixels[pixel * 3 + channel] ?? 0) / 127.5 - 1;
    }
  }
  return image;
}
