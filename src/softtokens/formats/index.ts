/** @file Reads and writes soft tokens; formats are detected by the contents of a file, not by its name. */

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

/** Reads soft tokens of any supported format. */
export async function readSoftTokens(path: string): Promise<SoftTokens> {
  return (await openSoftTokens(path)).tokens;
}

/** Reads soft tokens and returns them with their format. */
export async function openSoftTokens(path: string): Promise<{ format: FormatName; tokens: SoftTokens }> {
  const file = await probe(path);
  const format = formatNames.find((name) => formats[name].detect(file));
  if (format === undefined) throw new InputError(`${path} contains no soft tokens: ${reasons[file.kind]}`);
  return { format, tokens: await formats[format].read(file) };
}

/** Writes soft tokens; returns the paths of the written files. */
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
  torch: "it is not a supported PyTorch file",
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
