/** @file Which files below a folder belong to which metric, by the names under which their authors publish them. */

import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, messageOf } from "../../core/errors.js";
import { isFolder } from "../../core/missing.js";
import type { MetricDefinition, WantedFile } from "./metric.js";

/** Either the files by role, or a line that says what is missing and where to get it. */
export type FoundWeights = { readonly files: Readonly<Record<string, string>> } | { readonly missing: string };

/** A weight file with such a name before its ending, a regular expression. */
export function namedWeightFile(name: string): WantedFile["find"] {
  const pattern = new RegExp(String.raw`${name}\.(?:safetensors|pt|pth|bin)$`, "i");
  return (paths) => paths.find((path) => pattern.test(basename(path)));
}

/** A folder that transformers saved a whole CLIP model to; the caller checks whether it is one. */
export function modelFolder(accept: (folder: string) => boolean, prefer?: RegExp): WantedFile["find"] {
  return (paths) => {
    const folders = paths
      .filter((path) => basename(path) === "config.json")
      .map((path) => dirname(path))
      .filter((folder) => accept(folder) && hasFile(paths, folder, /^(?:model.*safetensors.*|pytorch_model\.bin)$/));
    return folders.find((folder) => prefer?.test(folder)) ?? folders[0];
  };
}

function hasFile(paths: readonly string[], folder: string, pattern: RegExp): boolean {
  return paths.some((path) => dirname(path) === folder && pattern.test(basename(path)));
}

/** Byte pairs are the same for all CLIP models. */
export const clipTokenizerFile: WantedFile = {
  find: (paths) => {
    const vocabulary = paths.find(
      (path) => basename(path) === "vocab.json" && hasFile(paths, dirname(path), /^merges\.txt$/),
    );
    return vocabulary && dirname(vocabulary);
  },
  what: "CLIP's vocab.json and merges.txt, as any CLIP folder has them (openai/clip-vit-large-patch14)",
};

/** Folders are searched down to this depth: downloads of the Hugging Face cache lie three deep. */
const deepest = 4;

/** What `folder` has for each metric, in order; without a folder, what each would need. */
export async function findWeights(
  folder: string | undefined,
  metrics: readonly MetricDefinition[],
): Promise<FoundWeights[]> {
  const paths = folder === undefined ? [] : await listPaths(folder);
  return metrics.map((metric) => look(metric, folder, paths));
}

function look(metric: MetricDefinition, folder: string | undefined, paths: readonly string[]): FoundWeights {
  const files: Record<string, string> = {};
  for (const [role, { find, what }] of Object.entries(metric.files)) {
    const found = find(paths);
    if (found === undefined) {
      const where = folder === undefined ? "give `weights` with a folder that has" : `${folder} lacks`;
      return { missing: `${where} ${what}` };
    }
    files[role] = found;
  }
  return { files };
}

async function listPaths(folder: string): Promise<string[]> {
  if (!(await isFolder(folder))) throw new InputError(`the weights folder ${folder} is no folder`);
  const found: string[] = [];
  const walk = async (inner: string, depth: number): Promise<void> => {
    const names = await readdir(inner).catch((error: unknown) => {
      throw new InputError(`cannot read the weights folder ${inner}: ${messageOf(error)}`, { cause: error });
    });
    for (const name of names.sort()) {
      if (name.startsWith(".")) continue;
      const path = join(inner, name);
      if (!(await isFolder(path))) found.push(path);
      else if (depth < deepest) await walk(path, depth + 1);
    }
  };
  await walk(folder, 0);
  return found;
}
