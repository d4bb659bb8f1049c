/** @file Decoding an image to the tensor that a VAE reads. */

import sharp, { type Sharp } from "sharp";
import { InputError, messageOf } from "../core/errors.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import type { ImageSource } from "./captioned-image.js";
import { requireImageBytes } from "./image-format.js";

/** Most pixels an image may have before decoding is refused (a 200-megapixel photograph passes). */
export const maxPixels = 2 ** 28;

/** Which part of a picture is seen, and whether in a mirror. */
export interface View {
  /**
   * What of a picture of another shape is kept, after a resize that just covers the size: its middle, or the part whose
   * left and top edges stand at these shares (0..1) of what is too much.
   */
  readonly crop: "center" | { readonly x: number; readonly y: number };
  /** Left and right exchanged, after the crop. */
  readonly flip?: boolean;
}

export interface LoadImageOptions extends View {
  readonly width: number;
  readonly height: number;
}

/**
 * Reads a png, jpeg or webp as [3,H,W] in [-1,1].
 *
 * Turned upright by its EXIF orientation, brought to sRGB, transparency laid on white, resized so that it covers the
 * size, both axes by the same factor, then cropped. The kernel is Lanczos-3 with antialiasing (sharper
 * than the bilinear of the PyTorch training scripts, and what people use to prepare data sets by hand).
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
  return fromPixels(pixels, width, height, flip);
}

/** Decodes all of an image's bytes and keeps nothing; an InputError, which calls it `id`, where that fails. */
export async function requireDecodable(bytes: Uint8Array, id: string): Promise<void> {
  requireImageBytes(bytes, id);
  // Every row counts for one of the few pixels, so none is passed over.
  await decoding(id, () =>
    decoder(bytes)
      .resize(4, 4, { ...cover, fit: "fill" })
      .raw()
      .toBuffer(),
  );
}

// Shrinking while decoding would make jpeg and webp come out otherwise than a png of the same picture.
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

/** Runs sharp on the image `id`, and puts what it throws into words. */
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

/** Interleaved RGB bytes -> planar [3,H,W] in [-1,1], mirrored after the crop where asked. */
function fromPixels(pixels: Uint8Array, width: number, height: number, flip: boolean): FloatTensor {
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
