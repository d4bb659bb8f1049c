/** @file The registry of model families: one line each. */

import { InputError } from "../core/errors.js";
import type { Engine } from "../runtime/engine.js";
import { requireVariant } from "./component-weights.js";
import { openPipelineFolder, type PipelineFolder } from "./folder.js";
import type { DiffusionPipeline } from "./pipeline.js";
import { openSd3 } from "./sd3.js";
import { openSd15 } from "./sd15.js";
import { openSdxl } from "./sdxl.js";

export interface OpenOptions {
  /** File variant, e.g. fp16; by default the plain files, or the only variant there is. */
  readonly variant?: string | undefined;
  /** Tokens that the T5 encoder reads (diffusers' max_sequence_length); default 256. */
  readonly maxSequenceLength?: number | undefined;
}

type OpenFamily = (folder: PipelineFolder, engine: Engine, options: OpenOptions) => Promise<DiffusionPipeline>;

/** Which function opens each pipeline class of model_index.json. */
const families: ReadonlyMap<string, OpenFamily> = new Map([
  ["StableDiffusionPipeline", openSd15],
  ["StableDiffusionXLPipeline", openSdxl],
  ["StableDiffusion3Pipeline", openSd3],
]);

/** Whether a pipeline class of model_index.json can be opened. */
export function isSupportedClass(className: string): boolean {
  return families.has(className);
}

/** Opens a diffusers pipeline folder. Weights are checked whole (names, shapes, nothing left over) and mapped, not read. */
export async function openPipeline(
  path: string,
  engine: Engine,
  options: OpenOptions = {},
): Promise<DiffusionPipeline> {
  const folder = await openPipelineFolder(path);
  const open = families.get(folder.className);
  if (open === undefined) {
    const known = [...families.keys()].join(", ");
    throw new InputError(`${path} is a ${folder.className}, which is not supported (supported: ${known})`);
  }
  if (options.variant !== undefined) await requireVariant(folder, options.variant);
  return open(folder, engine, options);
}
