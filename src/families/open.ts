/** @file Opens a model of any family. */

import { InputError, UsageError } from "../core/errors.js";
import { isFile } from "../core/missing.js";
import { requireVariant } from "../pipelines/component-weights.js";
import { openPipelineFolder, type PipelineFolder } from "../pipelines/folder.js";
import { LatentPipeline } from "../pipelines/latent-pipeline.js";
import type { PipelineFileOptions } from "../pipelines/open-options.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { isSingleFile, openSingleFile } from "../pipelines/single-file.js";
import type { Engine } from "../runtime/engine.js";
import type { Family } from "./family.js";
import { builtInFamilies } from "./index.js";

export interface OpenPipelineOptions extends PipelineFileOptions {
  /** Families to try before the built-in ones. */
  readonly families?: readonly Family[] | undefined;
}

/**
 * Opens a diffusers pipeline folder, or a single file in the original layout (.safetensors, .ckpt). All weights are checked
 * (names, shapes, no unused ones) and memory-mapped, not read. Throws an InputError if the model cannot be opened and a
 * UsageError if the options do not suit it.
 */
export async function openPipeline(
  path: string,
  engine: Engine,
  { families = [], ...options }: OpenPipelineOptions = {},
): Promise<DiffusionPipeline> {
  const known = [...families, ...builtInFamilies];
  const single = await isSingleFile(path);
  const folder = await (single ? openSingleFile(path, options, known) : openFolder(path, options));
  const family = known.find(({ className }) => className === folder.className);
  if (family === undefined) {
    const supported = known.map(({ className }) => className).join(", ");
    throw new InputError(`${path} is a ${folder.className}, which is not supported (supported: ${supported})`);
  }
  return new LatentPipeline(family, folder.path, await family.open({ family, folder, engine, options }));
}

async function openFolder(path: string, options: PipelineFileOptions): Promise<PipelineFolder> {
  if (await isFile(path)) {
    throw new InputError(
      `${path} is not a diffusers pipeline folder, and has no checkpoint extension (.safetensors, .ckpt)`,
    );
  }
  const folder = await openPipelineFolder(path);
  if (options.textEncoders !== undefined || (options.tokenizers?.length ?? 0) > 0) {
    throw new UsageError(
      `${path} has tokenizers and text encoders of its own: \`tokenizers\` and \`textEncoders\` are for single files`,
    );
  }
  if (options.variant !== undefined) await requireVariant(folder, options.variant);
  return folder;
}
