/** @file Decoding an image file to its bytes as Pillow's `Image.open(file).convert("RGB")` gives them: what metrics are defined on. */

import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { requireImageBytes } from "./image-format.js";
import { maxPixels } from "./load-image.js";
import type { RgbPicture } from "./resample.js";

/**
 * Reads a png, jpeg or webp. Unlike `loadImage` it neither turns the picture by its EXIF orientation nor applies a colour profile, and
 * drops transparency instead of laying it on white: the metrics' authors do none of these.
 */
export async function readPicture(file: string): Promise<RgbPicture> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(`cannot read image ${file}: ${messageOf(error)}`, { cause: error });
  });
  return decodePicture(bytes, file);
}

/** Width and height as its header gives them, without decoding it. */
export async function pictureSize(file: string): Promise<{ readonly width: number; readonly height: number }> {
  try {
    const { width, height } = await sharp(file, { limitInputPixels: maxPixels }).metadata();
    return { width, height };
  } catch (error) {
    throw new InputError(`cannot decode image ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** As `readPicture`, of bytes that are read already. */
export async function decodePicture(bytes: Uint8Array, file: string): Promise<RgbPicture> {
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
