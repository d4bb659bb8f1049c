/** @file Decodes an image file to the bytes of Pillow's `Image.open(file).convert("RGB")`, on which metrics are defined. */

import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { requireImageBytes } from "./image-format.js";
import { maxPixels } from "./load-image.js";
import type { RgbImage } from "./resample.js";

/**
 * Reads a png, jpeg or webp. Unlike `loadImage`, it ignores the EXIF orientation and the colour profile, and drops transparency
 * instead of compositing on white, as the metrics' authors do. Throws an InputError if the file cannot be decoded.
 */
export async function readRgbImage(file: string): Promise<RgbImage> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(`cannot read image ${file}: ${messageOf(error)}`, { cause: error });
  });
  return decodeRgbImage(bytes, file);
}

/** Reads width and height from the header, without decoding the image. */
export async function readImageSize(file: string): Promise<{ readonly width: number; readonly height: number }> {
  try {
    const { width, height } = await sharp(file, { limitInputPixels: maxPixels }).metadata();
    return { width, height };
  } catch (error) {
    throw new InputError(`cannot decode image ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** As `readRgbImage`, for bytes in memory. */
export async function decodeRgbImage(bytes: Uint8Array, file: string): Promise<RgbImage> {
  requireImageBytes(bytes, file);
  try {
    const source = sharp(bytes, { limitInputPixels: maxPixels, failOn: "error", ignoreIcc: true });
    const opaque = source.removeAlpha().toColourspace("srgb");
    const { data, info } = await opaque.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
    return { width: info.width, height: info.height, data };
  } catch (error) {
    throw new InputError(`cannot decode image ${file}: ${messageOf(error)}`, { cause: error });
  }
}
