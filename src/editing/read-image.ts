/** @file Reading images and masks in their own size, with EXIF orientation applied. */

import sharp from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { imageFile } from "../data/captioned-image.js";
import { requireImageBytes } from "../data/image-format.js";
import { maxPixels } from "../data/load-image.js";
import type { Mask } from "./mask.js";

/** A decoded image in sRGB, in its own size. */
export interface RgbImage {
  /** [3, height, width] in -1..1: byte / 127.5 - 1. */
  readonly pixels: FloatTensor;
  /** The alpha channel; null if every pixel is opaque. */
  readonly alpha: Mask | null;
}

/** Reads a png, jpeg or webp. Transparent pixels keep the colours of the file. */
export async function readRgb(file: string): Promise<RgbImage> {
  const { data, width, height } = await decode(file);
  const area = width * height;
  const pixels = floatTensor([3, height, width]);
  const alpha = new Uint8Array(area);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels.data[channel * area + pixel] = (data[4 * pixel + channel] ?? 0) / 127.5 - 1;
    }
    alpha[pixel] = data[4 * pixel + 3] ?? 0;
  }
  return { pixels, alpha: alpha.every((value) => value === 255) ? null : { width, height, data: alpha } };
}

/** Reads an image as grey values 0..255 like Pillow's convert("L"): (19595 R + 38470 G + 7471 B) / 2^16, rounded. */
export async function readGrey(file: string): Promise<Mask> {
  const { data, width, height } = await decode(file);
  const grey = new Uint8Array(width * height);
  for (let pixel = 0; pixel < grey.length; pixel++) {
    const [red = 0, green = 0, blue = 0] = data.subarray(4 * pixel, 4 * pixel + 3);
    grey[pixel] = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;
  }
  return { width, height, data: grey };
}

/** Interleaved red, green, blue and alpha. */
async function decode(file: string) {
  const bytes = await imageFile(file).read();
  requireImageBytes(bytes, file);
  try {
    const source = sharp(bytes, { limitInputPixels: maxPixels, failOn: "error" });
    const rgba = source.autoOrient().toColourspace("srgb").ensureAlpha();
    const { data, info } = await rgba.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 4) throw new Error(`decoded to ${info.channels} channels instead of 4`);
    return { data, width: info.width, height: info.height };
  } catch (error) {
    throw new InputError(`cannot decode image ${file}: ${messageOf(error)}`, { cause: error });
  }
}
