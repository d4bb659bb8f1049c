/** @file Which image sizes a pipeline can make. */

import { UsageError } from "../core/errors.js";
import type { DiffusionPipeline } from "./pipeline.js";

/** Refuses a side of `size` pixels that latents or patches do not divide; `name` is the option that says it. */
export function requireSize({ sizeMultiple, origin }: DiffusionPipeline, name: string, size: number): void {
  if (!Number.isInteger(size) || size <= 0 || size % sizeMultiple !== 0) {
    throw new UsageError(`\`${name}\` ${size} does not fit ${origin}: it must be a multiple of ${sizeMultiple}`);
  }
}
