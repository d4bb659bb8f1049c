/** @file An image of a data set with its captions, wherever its bytes lie. */

import { open } from "node:fs/promises";
import { InputError, messageOf } from "../core/errors.js";

/** Bytes an image file may have; beyond, it is taken for something else. */
export const maxImageBytes = 2 ** 28;

/** An encoded image that can be read again and again. */
export interface ImageSource {
  /** Names the image in messages, logs and caches: unique, and the same in every run. A file's is its path. */
  readonly id: string;
  /**
   * The encoded bytes; whoever reads them decides whether they are an image.
   *
   * @throws InputError where they cannot be read
   */
  readonly read: () => Promise<Uint8Array>;
}

/** One image with every caption that describes it (at least one, none empty). */
export interface CaptionedImage extends ImageSource {
  readonly captions: readonly string[];
}

/** The image of a file of its own. */
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
