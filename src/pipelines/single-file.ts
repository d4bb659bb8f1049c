/** @file Presents a single-file checkpoint as the diffusers folder of the same model, without converting or copying anything. */

import { InputError, UsageError } from "../core/errors.js";
import { statOrNull } from "../core/missing.js";
import { subtree, withoutUnusedKeys } from "../models/original/network.js";
import { openSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import { openTorchFile } from "../weights/torch-file.js";
import type { FolderPart, PipelineFolder } from "./folder.js";
import type { PipelineFileOptions } from "./open-options.js";
import { type RecognisedFamily, recognise } from "./recognise.js";
import type { SingleFileFamily } from "./single-file-layout.js";
import { findEncoders, findTokenizers } from "./single-file-text.js";

/** Whether `path` has a checkpoint's extension and is a file or does not exist. */
export async function isSingleFile(path: string): Promise<boolean> {
  const stats = await statOrNull(path);
  return (stats === null || stats.isFile()) && /\.(?:safetensors|ckpt|pt|pth)$/i.test(path);
}

/**
 * Opens a checkpoint of the original layout. Missing text encoders and tokenizers are searched for in the folders of `options`
 * and in the checkpoint's folder. Configurations are read from the tensors and from the family's layout.
 */
export async function openSingleFile(
  path: string,
  options: PipelineFileOptions,
  families: readonly SingleFileFamily[],
): Promise<PipelineFolder> {
  if (options.variant !== undefined) {
    throw new UsageError(`${path} is a single file, which has no variants: omit \`variant\``);
  }
  const source = withoutUnusedKeys(await openWeights(path));
  const family = recognise(source, families);
  const { networks, encoders: wanted, scheduler } = family.singleFile;
  requireKnownKeys(source, family);
  const parts = new Map<string, FolderPart>();
  for (const { component, title, prefix, read } of networks) {
    const inside = subtree(source, prefix, title);
    if (inside.tensors.size === 0) throw new InputError(`${path} contains no ${title}, which a whole checkpoint does`);
    parts.set(component, read(inside));
  }
  const encoders = await findEncoders(source, wanted, options);
  for (const { encoder, part } of encoders) parts.set(encoder.component, part);
  const tokenizers = await findTokenizers(path, encoders, options);
  parts.set("scheduler", { config: { ...scheduler, ...prediction(source) }, weights: null });
  const components = new Set([...parts.keys(), ...tokenizers.keys()]);
  return { path, className: family.className, components, settings: {}, parts, tokenizers };
}

async function openWeights(path: string): Promise<WeightSource> {
  return /\.safetensors$/i.test(path) ? openSafetensors(path) : openTorchFile(path);
}

/** Keys of marker tensors (of size 0 or 1) by which trainers mark a v-prediction model and its noise schedule. */
const predictionKeys = /^(?:v_pred|ztsnr)$/;

/** The prediction type and noise schedule that a checkpoint records, as entries of scheduler_config.json. */
function prediction({ tensors, metadata }: WeightSource): Record<string, unknown> {
  const stated = [metadata["modelspec.prediction_type"], metadata["modelspec.predict_key"]];
  const predictsV = tensors.has("v_pred") || stated.some((type) => /^v([_-]prediction)?$/i.test(type ?? ""));
  return {
    ...(predictsV ? { prediction_type: "v_prediction" } : {}),
    ...(tensors.has("ztsnr") ? { rescale_betas_zero_snr: true } : {}),
  };
}

/** Throws an InputError for keys outside of all networks, since they may change what the model is. */
function requireKnownKeys(source: WeightSource, { title, singleFile }: RecognisedFamily): void {
  const prefixes = [...singleFile.networks, ...singleFile.encoders].map(({ prefix }) => prefix);
  const strange = [...source.tensors.keys()].filter(
    (name) => !predictionKeys.test(name) && !prefixes.some((prefix) => name.startsWith(prefix)),
  );
  if (strange.length === 0) return;
  const shown = strange
    .slice(0, 5)
    .map((name) => JSON.stringify(name))
    .join(", ");
  const more = strange.length > 5 ? ` and ${strange.length - 5} more` : "";
  throw new InputError(`${source.origin}: ${strange.length} tensors do not belong to ${title}: ${shown}${more}`);
}
