/** @file The image sizes that a pipeline supports. */

import { UsageError } from "../core/errors.js";
import type { DiffusionPipeline } from "./pipeline.js";

/** Throws a UsageError if `size` pixels, the value of option `name`, do not divide into whole latents and patches. */
export function requireSize({ sizeMultiple, origin }: DiffusionPipeline, name: string, size: number): void {
  if (!Number.isInteger(size) || size <= 0 || size % sizeMultiple !== 0) {
    throw new UsageError(`\`${name}\` ${size} does not fit ${origin}: it must be a multiple of ${sizeMultiple}`);
  }
}
