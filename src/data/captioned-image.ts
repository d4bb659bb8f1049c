/** @file An image of a data set with its captions, independent of how it is stored. */

import { open } from "node:fs/promises";
import { InputError, messageOf } from "../core/errors.js";

/** Largest image file in bytes. */
export const maxImageBytes = 2 ** 28;

/** An encoded image that can be read repeatedly. */
export interface ImageSource {
  /** Unique name of the image for messages, logs and caches, stable across runs; the path for a file. */
  readonly id: string;
  /**
   * Reads the encoded bytes, without checking that they are an image.
   *
   * @throws InputError if they cannot be read
   */
  readonly read: () => Promise<Uint8Array>;
}

/** One image with its captions (at least one, none empty). */
export interface CaptionedImage extends ImageSource {
  readonly captions: readonly string[];
}

/** The source of an image file. */
export function imageFile(file: string): ImageSource {
  return { id: file, read: () => readImageFile(file) };
}

async function readImageFile(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      if (size > maxImageBytes) throw new InputError(`image ${file} has ${size} bytes, the limit is ${maxImageBytes}`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read image ${file}: ${messageOf(error)}`, { cause: error });
  }
}
