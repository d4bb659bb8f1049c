/** @file Thumbnails of image files, for pages with embedded images. */

import sharp from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { maxPixels } from "./load-image.js";

/** Encodes a PNG of at most `side` x `side` pixels; smaller images keep their size. */
export async function pngThumbnail(file: string, side: number): Promise<Uint8Array> {
  try {
    const image = sharp(file, { limitInputPixels: maxPixels, failOn: "error" });
    return await image.resize(side, side, { fit: "inside", withoutEnlargement: true }).png().toBuffer();
  } catch (error) {
    throw new InputError(`cannot decode image ${file}: ${messageOf(error)}`, { cause: error });
  }
}
