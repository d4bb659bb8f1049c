/** @file Soft tokens to and from files: one table of formats, found by what a file holds, not by its name. */

import { readdir, stat } from "node:fs/promises";
import { InputError } from "../../core/errors.js";
import { errnoError, withFile } from "../../weights/read-bytes.js";
import { openSafetensors } from "../../weights/safetensors.js";
import { isZip } from "../../weights/zip.js";
import { type SoftTokens, sizesOf } from "../softtokens.js";
import { comfy } from "./comfy.js";
import type { ProbedFile, TokenFormat } from "./format.js";
import { official } from "./official.js";
import { softrepa } from "./softrepa.js";

export const formatNames = ["softrepa", "official", "comfy"] as const;
export type FormatName = (typeof formatNames)[number];

export const formats: Readonly<Record<FormatName, TokenFormat>> = { softrepa, official, comfy };

/** Reads soft tokens of any known format. */
export async function readSoftTokens(path: string): Promise<SoftTokens> {
  return (await openSoftTokens(path)).tokens;
}

/** Reads soft tokens and says which format they were in. */
export async function openSoftTokens(path: string): Promise<{ format: FormatName; tokens: SoftTokens }> {
  const glance = await probe(path);
  const format = formatNames.find((name) => formats[name].detect(glance));
  if (format === undefined) throw new InputError(`${path} holds no soft tokens: ${reasons[glance.kind]}`);
  return { format, tokens: await formats[format].read(glance) };
}

/** Writes soft tokens; returns the files written. */
export async function writeSoftTokens(
  path: string,
  tokens: SoftTokens,
  format: FormatName,
): Promise<readonly string[]> {
  sizesOf(tokens, path);
  return formats[format].write(path, tokens);
}

const reasons: Readonly<Record<ProbedFile["kind"], string>> = {
  folder: "the folder has no dc_tokens.pth",
  safetensors: "its metadata has no softrepa.format, and it has no tensor t_offsets.weight",
  torch: "it is none of the known PyTorch files",
};

async function probe(path: string): Promise<ProbedFile> {
  try {
    if ((await stat(path)).isDirectory()) return { kind: "folder", path, names: await readdir(path) };
  } catch (error) {
    throw errnoError(path, error);
  }
  const torch = /\.(?:pth|pt|bin)$/.test(path) || (await withFile(path, isZip));
  if (torch) return { kind: "torch", path };
  return { kind: "safetensors", path, source: await openSafetensors(path) };
}
