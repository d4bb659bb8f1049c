/** @file Opening the image to edit and its mask, and resizing them for the edit. */

import { InputError, UsageError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import type { GeneratedImage } from "../sampling/generated-image.js";
import { coverage, growMask, type Mask, sampleMask, thresholdMask } from "./mask.js";
import { type RgbImage, readGrey, readRgb } from "./read-image.js";
import { cropImage, cropMask, resizeImage, rounded, sameSize, sizeOfImage } from "./resize-image.js";
import { type EditSizes, editSizes, type Resize, type Size } from "./sizes.js";

export interface ImageRequest {
  /** The path of a png, jpeg or webp, or a generated image. */
  readonly image: string | GeneratedImage;
  /** The path of an image whose white pixels may change, or "alpha" for the transparent pixels of the image. */
  readonly mask?: string | undefined;
  /** Pixels by which the mask grows (default 0). */
  readonly maskGrow?: number | undefined;
  /** "fit" by default. */
  readonly resize?: Resize | undefined;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Receives one line per change to the image or the mask that was not asked for. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

export interface SourceImage {
  /** The kept part of the image in its own size, [3, H, W]: 8-bit values in -1..1. */
  readonly pixels: FloatTensor;
  /** The same at the size of the model's input. */
  readonly working: FloatTensor;
  /** At the size of `pixels`. */
  readonly mask: Mask | null;
  readonly sizes: EditSizes;
}

export async function openSourceImage(pipeline: DiffusionPipeline, request: ImageRequest): Promise<SourceImage> {
  const { image, resize = "fit", width, height, onNotice } = request;
  const rgb: RgbImage =
    typeof image === "string" ? await readRgb(image) : { pixels: rounded(image.pixels), alpha: null };
  const name = typeof image === "string" ? image : "the image";
  const size = sizeOfImage(rgb.pixels);
  const sizes = editSizes(pipeline, size, { resize, width, height });
  const greys = await greysOf(request, rgb, name);
  if (greys !== null && !sameSize(greys, size)) {
    onNotice?.(`the mask, ${sizeText(greys)}, is resized to the image's ${sizeText(size)}`);
  }
  const whole = greys && growMask(sampleMask(thresholdMask(greys), size.width, size.height), request.maskGrow ?? 0);
  const mask = whole && cropMask(whole, sizes.kept);
  if (mask !== null && coverage(mask) === 0) onNotice?.("the mask is empty: nothing changes (white pixels may change)");
  if (mask !== null && coverage(mask) === 1) onNotice?.("the mask is full: the whole image may change");
  if (!sameSize(size, sizes.kept)) onNotice?.(`the image, ${sizeText(size)}, is cropped to ${sizeText(sizes.kept)}`);
  if (!sameSize(sizes.kept, sizes.working)) {
    onNotice?.(`the image, ${sizeText(sizes.kept)}, is edited at ${sizeText(sizes.working)}`);
  }
  const pixels = sameSize(size, sizes.kept) ? rgb.pixels : cropImage(rgb.pixels, sizes.kept);
  return { pixels, working: await resizeImage(pixels, sizes.working), mask, sizes };
}

async function greysOf({ mask, maskGrow }: ImageRequest, { alpha }: RgbImage, name: string): Promise<Mask | null> {
  if (mask === "alpha") {
    if (alpha === null) throw new InputError(`\`mask\` alpha: ${name} has no transparent pixels`);
    return { ...alpha, data: alpha.data.map((opaque) => 255 - opaque) };
  }
  if (alpha !== null) {
    throw new InputError(`${name} has transparent pixels: flatten it, or edit them with \`mask\` alpha`);
  }
  if (mask !== undefined) return readGrey(mask);
  if (maskGrow !== undefined) throw new UsageError("`maskGrow` needs a `mask`");
  return null;
}

function sizeText({ width, height }: Size): string {
  return `${width}x${height}`;
}
