/** @file A single-file checkpoint seen as the diffusers folder of the same model: nothing is converted or copied. */

import { stat } from "node:fs/promises";
import { InputError, UsageError } from "../core/errors.js";
import { subtree, withoutUnusedKeys } from "../models/original/network.js";
import { openSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import { openTorchFile } from "../weights/torch-file.js";
import type { FolderPart, PipelineFolder } from "./folder.js";
import type { OpenOptions } from "./open-options.js";
import { type RecognisedFamily, recognise } from "./recognise.js";
import type { SingleFileFamily } from "./single-file-layout.js";
import { findEncoders, findTokenizers } from "./single-file-text.js";

/** Whether `path` is to be opened as one file: it is called like a checkpoint, and is no folder (or nothing yet). */
export async function isSingleFile(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => null);
  return (stats === null || stats.isFile()) && /\.(?:safetensors|ckpt|pt|pth)$/i.test(path);
}

/**
 * Opens a checkpoint of the original layout. What it lacks is looked for where the options say and beside it: text encoders, and
 * T5's tokenizer, which is never inside. Configurations are read off its tensors; the rest is the family's.
 */
export async function openSingleFile(
  path: string,
  options: OpenOptions,
  families: readonly SingleFileFamily[],
): Promise<PipelineFolder> {
  if (options.variant !== undefined) {
    throw new UsageError(`${path} is one file, which has no variants: leave out \`variant\``);
  }
  const source = withoutUnusedKeys(await openWeights(path));
  const family = recognise(source, families);
  const { networks, encoders: wanted, scheduler } = family.singleFile;
  requireKnownKeys(source, family);
  const parts = new Map<string, FolderPart>();
  for (const { component, title, prefix, read } of networks) {
    const inside = subtree(source, prefix, title);
    if (inside.tensors.size === 0) throw new InputError(`${path} has no ${title} inside, which a whole checkpoint has`);
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

/** Keys that are tensors of size 0 or 1 by which trainers say that the model predicts v, and with which noise schedule. */
const predictionKeys = /^(?:v_pred|ztsnr)$/;

/** What a checkpoint says of its prediction, in words of scheduler_config.json. */
function prediction({ tensors, metadata }: WeightSource): Record<string, unknown> {
  const predictsV = tensors.has("v_pred") || metadata["modelspec.prediction_type"] === "v";
  return {
    ...(predictsV ? { prediction_type: "v_prediction" } : {}),
    ...(tensors.has("ztsnr") ? { rescale_betas_zero_snr: true } : {}),
  };
}

/** A key that belongs to nothing may change what the model is, so it is not passed over. */
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
  throw new InputError(`${source.origin}: ${strange.length} tensors belong to no part of ${title}: ${shown}${more}`);
}
