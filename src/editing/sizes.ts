/** @file Sizes of an edit: of the image as the model sees it, and of what comes out. */

import { UsageError } from "../core/errors.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";

/** Keep the shape, crop to the size, or stretch to it. */
export const resizeNames = ["fit", "crop", "stretch"] as const;
export type Resize = (typeof resizeNames)[number];

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface SizeRequest {
  readonly resize: Resize;
  /** Of the output; with "fit", of an area that the output's is at most. Both or none. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

export interface EditSizes {
  /** What is kept of the image: its whole, or its middle of another shape. */
  readonly kept: Size;
  /** What the model sees. */
  readonly working: Size;
  readonly output: Size;
}

/**
 * Without a size the model sees the image at its own area, sides rounded down to multiples that it takes, and what comes out has the
 * image's own size. With "crop" and "stretch" it sees exactly the size, by default its own square.
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
      return { kept: middle(image, asked), working: asked, output: asked };
    case "stretch":
      return { kept: image, working: asked, output: width === undefined ? image : asked };
  }
}

function fitted({ sizeMultiple }: DiffusionPipeline, { width, height }: Size, area: number): Size {
  const factor = Math.sqrt(area / (width * height));
  // A side that is a multiple but for rounding stays one.
  const side = (pixels: number) => Math.max(1, Math.floor((pixels * factor) / sizeMultiple + 1e-6)) * sizeMultiple;
  return { width: side(width), height: side(height) };
}

/** The largest part of an image that has the shape of `size`. */
function middle(image: Size, size: Size): Size {
  const factor = Math.min(image.width / size.width, image.height / size.height);
  return {
    width: Math.max(1, Math.min(image.width, Math.round(size.width * factor))),
    height: Math.max(1, Math.min(image.height, Math.round(size.height * factor))),
  };
}
