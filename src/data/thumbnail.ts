/** @file Small copies of picture files, for pages that carry their pictures in themselves. */

import sharp from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { maxPixels } from "./load-image.js";

/** A PNG of at most `side` pixels a side; smaller pictures keep their size. */
export async function pngThumbnail(file: string, side: number): Promise<Uint8Array> {
  try {
    const picture = sharp(file, { limitInputPixels: maxPixels, failOn: "error" });
    return await picture.resize(side, side, { fit: "inside", withoutEnlargement: true }).png().toBuffer();
  } catch (error) {
    throw new InputError(`cannot decode image ${file}: ${messageOf(error)}`, { cause: error });
  }
}
