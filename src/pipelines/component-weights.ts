/** @file Opens the weights of a pipeline's components in the requested variant. */

import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { isFolder } from "../core/missing.js";
import { type CheckpointStem, checkpointVariants, openCheckpoint } from "../weights/checkpoint.js";
import type { WeightSource } from "../weights/source.js";
import type { PipelineFolder } from "./folder.js";

/**
 * Opens the weights of one component. If the component has no `variant`, its plain files are used, as diffusers does: in the
 * original Stable Diffusion 3 folder only the text encoders have an fp16 variant.
 */
export async function openComponentWeights(
  folder: PipelineFolder,
  component: string,
  stem: CheckpointStem,
  variant: string | undefined,
): Promise<WeightSource> {
  const part = folder.parts.get(component);
  if (part?.weights) return part.weights;
  const path = join(folder.path, component);
  if (variant === undefined) return openCheckpoint(path, stem);
  const offered = await checkpointVariants(path, stem);
  return openCheckpoint(path, stem, offered.includes("") && !offered.includes(variant) ? undefined : variant);
}

/** Throws an InputError if no component of the pipeline has the variant. */
export async function requireVariant(folder: PipelineFolder, variant: string): Promise<void> {
  const offered = new Set<string>();
  for (const component of folder.components) {
    for (const stem of ["diffusion_pytorch_model", "model"] as const) {
      const path = join(folder.path, component);
      for (const name of (await isFolder(path)) ? await checkpointVariants(path, stem) : []) offered.add(name);
    }
  }
  if (offered.has(variant)) return;
  offered.delete("");
  const others = offered.size === 0 ? "it has none" : `it has ${[...offered].sort().join(", ")}`;
  throw new InputError(`${folder.path} has no weights of the variant ${variant}; ${others}`);
}
