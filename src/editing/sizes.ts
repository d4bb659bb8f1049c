/** @file Sizes of an edit: the model's input and the output. */

import { UsageError } from "../core/errors.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";

/** Keep the aspect ratio, crop to the size, or stretch to it. */
export const resizeNames = ["fit", "crop", "stretch"] as const;
export type Resize = (typeof resizeNames)[number];

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface SizeRequest {
  readonly resize: Resize;
  /** Of the output; with "fit" their product is the largest area of the output. Both or neither. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

export interface EditSizes {
  /** The part of the image that is kept: all of it, or with "crop" the centre. */
  readonly kept: Size;
  /** Of the model's input. */
  readonly working: Size;
  readonly output: Size;
}

/**
 * Without a width and height, the image is scaled to the area that the model was made for, with sides rounded down to multiples that the
 * model supports, and the output has the size of the image. "crop" and "stretch" use exactly the width and height, by default the model's
 * native square.
 */
export function editSizes(pipeline: DiffusionPipeline, image: Size, { resize, width, height }: SizeRequest): EditSizes {
  if ((width === undefined) !== (height === undefined)) throw new UsageError("`width` and `height` belong together");
  const { defaultSize } = pipeline;
  const asked = { width: width ?? defaultSize, height: height ?? defaultSize };
  requireSize(pipeline, "width", asked.width);
  requireSize(pipeline, "height", asked.height);
  switch (resize) {
    case "fit": {
      const working = fitted(pipeline, image, asked.width * asked.height);
      return { kept: image, working, output: width === undefined ? image : working };
    }
    case "crop":
      return { kept: centre(image, asked), working: asked, output: asked };
    case "stretch":
      return { kept: image, working: asked, output: width === undefined ? image : asked };
  }
}

function fitted({ sizeMultiple }: DiffusionPipeline, { width, height }: Size, area: number): Size {
  const factor = Math.sqrt(area / (width * height));
  // The tolerance keeps a side that is a multiple up to rounding.
  const side = (pixels: number) => Math.max(1, Math.floor((pixels * factor) / sizeMultiple + 1e-6)) * sizeMultiple;
  return { width: side(width), height: side(height) };
}

/** The largest part of an image with the aspect ratio of `size`. */
function centre(image: Size, size: Size): Size {
  const factor = Math.min(image.width / size.width, image.height / size.height);
  return {
    width: Math.max(1, Math.min(image.width, Math.round(size.width * factor))),
    height: Math.max(1, Math.min(image.height, Math.round(size.height * factor))),
  };
}
