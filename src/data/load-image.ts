/** @file Decodes an image to the input tensor of a VAE. */

import sharp, { type Sharp } from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import type { ImageSource } from "./captioned-image.js";
import { requireImageBytes } from "./image-format.js";

/** Largest image in pixels (enough for a 200-megapixel photograph). */
export const maxPixels = 2 ** 28;

/** Crop and flip of an image. */
export interface View {
  /**
   * Crop after a resize that covers the size: the centre, or an offset from the left and top edges as fractions (0..1) of the
   * excess width and height.
   */
  readonly crop: "center" | { readonly x: number; readonly y: number };
  /** Horizontal flip, after the crop. */
  readonly flip?: boolean;
}

export interface LoadImageOptions extends View {
  readonly width: number;
  readonly height: number;
}

/**
 * Reads a png, jpeg or webp to [3,H,W] in [-1,1]. Throws an InputError if it cannot be decoded.
 *
 * Applies the EXIF orientation, converts to sRGB, composites transparency on white, resizes to cover the size with the same
 * factor for both axes, and crops. The kernel is Lanczos-3 with antialiasing (sharper than the bilinear kernel of the PyTorch
 * training scripts, and common in data set preparation).
 */
export async function loadImage(image: ImageSource, options: LoadImageOptions): Promise<FloatTensor> {
  const { width, height, crop, flip = false } = options;
  const bytes = await image.read();
  requireImageBytes(bytes, image.id);
  const pixels = await decoding(image.id, async () => {
    const upright = decoder(bytes).autoOrient().flatten({ background: "#ffffff" }).toColourspace("srgb");
    const sized =
      crop === "center" ? upright.resize(width, height, cover) : await cropped(upright, width, height, crop);
    const { data, info } = await sized.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
    return data;
  });
  return planarImage(pixels, width, height, flip);
}

/** Decodes all of an image's bytes and discards the result. Throws an InputError that names `id` if that fails. */
export async function requireDecodable(bytes: Uint8Array, id: string): Promise<void> {
  requireImageBytes(bytes, id);
  // Every row contributes to one of the few pixels, so none is skipped.
  await decoding(id, () =>
    decoder(bytes)
      .resize(4, 4, { ...cover, fit: "fill" })
      .raw()
      .toBuffer(),
  );
}

// Shrinking while decoding would make jpeg and webp differ from a png of the same image.
const cover = { fit: "cover", kernel: "lanczos3", fastShrinkOnLoad: false } as const;

function decoder(bytes: Uint8Array): Sharp {
  return sharp(bytes, { limitInputPixels: maxPixels, failOn: "error" });
}

async function cropped(
  image: Sharp,
  width: number,
  height: number,
  { x, y }: { x: number; y: number },
): Promise<Sharp> {
  const { autoOrient: upright } = await image.metadata();
  const factor = Math.max(width / upright.width, height / upright.height);
  const across = Math.max(width, Math.round(upright.width * factor));
  const down = Math.max(height, Math.round(upright.height * factor));
  const place = { left: Math.round(x * (across - width)), top: Math.round(y * (down - height)) };
  return image.resize(across, down, { ...cover, fit: "fill" }).extract({ ...place, width, height });
}

/** Runs sharp on the image `id` and converts its errors to InputErrors. */
async function decoding<T>(id: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (messageOf(error).includes("exceeds pixel limit")) {
      const limit = `${Math.round(maxPixels / 1e6)} million pixels`;
      throw new InputError(`image ${id} is larger than the limit of ${limit}`, { cause: error });
    }
    throw new InputError(`cannot decode image ${id}: ${messageOf(error)}`, { cause: error });
  }
}

/** Interleaved RGB bytes -> planar [3,H,W] in [-1,1], optionally flipped. */
function planarImage(pixels: Uint8Array, width: number, height: number, flip: boolean): FloatTensor {
  const image = floatTensor([3, height, width]);
  const area = width * height;
  for (let pixel = 0; pixel < area; pixel++) {
    const column = pixel % width;
    const to = flip ? pixel - column + (width - 1 - column) : pixel;
    for (let channel = 0; channel < 3; channel++) {
      image.data[channel * area + to] = (pixels[pixel * 3 + channel] ?? 0) / 127.5 - 1;
    }
  }
  return image;
}
