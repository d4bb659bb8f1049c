/** @file The registry of model families: one line each. */

import { stat } from "node:fs/promises";
import { InputError, UsageError } from "../core/errors.js";
import type { Engine } from "../runtime/engine.js";
import { requireVariant } from "./component-weights.js";
import { openPipelineFolder, type PipelineFolder } from "./folder.js";
import type { DiffusionPipeline } from "./pipeline.js";
import { openSd3 } from "./sd3.js";
import { openSd15 } from "./sd15.js";
import { openSdxl } from "./sdxl.js";
import { isSingleFile, openSingleFile } from "./single-file.js";

export interface OpenOptions {
  /** File variant, e.g. fp16; by default the plain files, or the only variant there is. */
  readonly variant?: string | undefined;
  /** Tokens that the T5 encoder reads (diffusers' max_sequence_length); default 256. */
  readonly maxSequenceLength?: number | undefined;
  /** For a single file: folders to look for tokenizers in, before those that lie beside it and CLIP's own, which is built in. */
  readonly tokenizers?: readonly string[] | undefined;
  /** For a single file: a folder with the text encoders that it lacks. */
  readonly textEncoders?: string | undefined;
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

/**
 * Opens a diffusers pipeline folder, or a single file in the original layout (.safetensors, .ckpt). Weights are checked whole
 * (names, shapes, nothing left over) and mapped, not read.
 */
export async function openPipeline(
  path: string,
  engine: Engine,
  options: OpenOptions = {},
): Promise<DiffusionPipeline> {
  const single = await isSingleFile(path);
  const folder = await (single ? openSingleFile(path, options) : openFolder(path, options));
  const open = families.get(folder.className);
  if (open === undefined) {
    const known = [...families.keys()].join(", ");
    throw new InputError(`${path} is a ${folder.className}, which is not supported (supported: ${known})`);
  }
  return open(folder, engine, options);
}

async function openFolder(path: string, options: OpenOptions): Promise<PipelineFolder> {
  const stats = await stat(path).catch(() => null);
  if (stats?.isFile()) {
    throw new InputError(
      `${path} is no diffusers pipeline folder, and not called like a checkpoint (.safetensors, .ckpt)`,
    );
  }
  const folder = await openPipelineFolder(path);
  if (options.textEncoders !== undefined || (options.tokenizers?.length ?? 0) > 0) {
    throw new UsageError(
      `${path} has tokenizers and text encoders: \`tokenizers\` and \`textEncoders\` are for single files`,
    );
  }
  if (options.variant !== undefined) await requireVariant(folder, options.variant);
  return folder;
}
