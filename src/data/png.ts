/** @file Writes generated images as PNG files with their settings as text. */

import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { InputError, messageOf, RuntimeFailure } from "../core/errors.js";
import { writeFileAtomic } from "../core/files.js";
import { type FloatTensor, formatShape } from "../core/tensor.js";
import { insertPngText, pngText } from "./png-text.js";

/** Writes an image [3,H,W] in [-1,1] with text chunks, atomically. Throws a RuntimeFailure for non-finite values. */
export async function savePng(file: string, image: FloatTensor, text: Readonly<Record<string, string>>): Promise<void> {
  await writeFileAtomic(file, await encodePng(image, text));
}

/** The bytes that `savePng` writes. */
export async function encodePng(image: FloatTensor, text: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const [channels, height, width] = image.shape;
  if (image.shape.length !== 3 || channels !== 3 || !height || !width) {
    throw new InputError(`an image to save must have shape [3,H,W], not ${formatShape(image.shape)}`);
  }
  const pixels = pixelBytes(image);
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
  return insertPngText(png, text);
}

/** Reads the text chunks of a PNG by keyword. */
export async function readPngText(file: string): Promise<Record<string, string>> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(`cannot read image ${file}: ${messageOf(error)}`, { cause: error });
  });
  return pngText(bytes, file);
}

/** Planar [-1,1] -> interleaved bytes, in float32 with halves rounded to even, as in diffusers' numpy code. */
export function pixelBytes({ data: image }: FloatTensor): Uint8Array {
  const area = image.length / 3;
  const pixels = new Uint8Array(area * 3);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = image[channel * area + pixel] ?? 0;
      if (!Number.isFinite(value)) {
        throw new RuntimeFailure(`the image contains ${value}: the model overflowed, and nothing was written`);
      }
      const unit = Math.min(1, Math.max(0, Math.fround(value / 2 + 0.5)));
      pixels[pixel * 3 + channel] = roundHalfEven(Math.fround(unit * 255));
    }
  }
  return pixels;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
}
