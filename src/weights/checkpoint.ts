/** @file Opens the weights of one diffusers component folder: one safetensors file or several shards, plain or a variant. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";
import { parsePythonJson } from "../core/python-json.js";
import { errnoError } from "./read-bytes.js";
import { openSafetensors } from "./safetensors.js";
import type { StoredTensor, WeightSource } from "./source.js";

/** File name without extensions: unet, transformer and vae use the first, text encoders the second. */
export type CheckpointStem = "diffusion_pytorch_model" | "model";

/** The files of each variant in a folder; "" is the plain one. */
type Candidates = ReadonlyMap<string, { readonly single?: string; readonly index?: string }>;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens the weights in `folder`. Variants are file name infixes such as `fp16`; without `variant`, opens the plain files, or
 * the only variant if there are none. Throws an InputError that lists what the folder has instead.
 */
export async function openCheckpoint(folder: string, stem: CheckpointStem, variant?: string): Promise<WeightSource> {
  const names = await list(folder);
  const candidates = findCandidates(names, stem);
  const files = candidates.get(variant ?? pickVariant(folder, stem, candidates));
  if (files === undefined) throw absent(folder, stem, variant, names, candidates);
  if (files.single !== undefined) return { ...(await openSafetensors(join(folder, files.single))), origin: folder };
  return openShards(folder, files.index ?? "");
}

/** The variants in `folder`, sorted; "" stands for the plain files. */
export async function checkpointVariants(folder: string, stem: CheckpointStem): Promise<readonly string[]> {
  return [...findCandidates(await list(folder), stem).keys()].sort();
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw errnoError(folder, error);
  }
}

/**
 * File names: `stem.safetensors`, `stem.fp16.safetensors`, `stem.safetensors.index.json`, and for sharded variants
 * `stem.safetensors.index.fp16.json` (written by diffusers and transformers) or `stem.fp16.safetensors.index.json` (written by
 * other converters).
 */
function findCandidates(names: readonly string[], stem: string): Candidates {
  const found = new Map<string, { single?: string; index?: string }>();
  const note = (variant: string, kind: "single" | "index", name: string) => {
    const files = found.get(variant) ?? {};
    files[kind] ??= name;
    found.set(variant, files);
  };
  for (const name of [...names].sort()) {
    if (!name.startsWith(`${stem}.`)) continue;
    const rest = name.slice(stem.length);
    const single = /^(?:\.(.+))?\.safetensors$/.exec(rest);
    const index =
      /^\.safetensors\.index(?:\.(.+))?\.json$/.exec(rest) ?? /^\.(.+)\.safetensors\.index\.json$/.exec(rest);
    if (index !== null) note(index[1] ?? "", "index", name);
    else if (single !== null && !isShardName(name)) note(single[1] ?? "", "single", name);
  }
  return found;
}

/** `model-00001-of-00002.safetensors`, with the variant before or after the numbers. */
function isShardName(name: string): boolean {
  return /-\d+-of-\d+\./.test(name);
}

function pickVariant(folder: string, stem: string, candidates: Candidates): string {
  if (candidates.has("")) return "";
  const [only, ...others] = candidates.keys();
  if (only !== undefined && others.length > 0) {
    throw new InputError(
      `${folder} has no plain ${stem}.safetensors but the variants ${[only, ...others].join(", ")}: choose one`,
    );
  }
  return only ?? "";
}

function absent(
  folder: string,
  stem: string,
  variant: string | undefined,
  names: readonly string[],
  candidates: Candidates,
): InputError {
  const wanted = variant ? `${stem}.${variant}.safetensors` : `${stem}.safetensors`;
  if (candidates.size > 0) {
    const others = [...candidates.keys()].map((name) => name || "the plain files").join(", ");
    return new InputError(`${folder} has no ${wanted}; it has ${others}`);
  }
  const shard = names.find((name) => name.startsWith(stem) && name.endsWith(".safetensors") && isShardName(name));
  if (shard !== undefined) {
    return new InputError(`${folder} has the shard ${shard} but not its index ${stem}.safetensors.index.json`);
  }
  const pickled = names.find((name) => /\.(?:bin|ckpt|pt|pth)$/.test(name));
  if (pickled !== undefined) {
    return new InputError(
      `${folder} has only PyTorch weights (${pickled}): ${wanted} is needed, from the safetensors version of the model`,
    );
  }
  return new InputError(`${folder} has no ${wanted}`);
}

async function openShards(folder: string, indexName: string): Promise<WeightSource> {
  const indexFile = join(folder, indexName);
  const weightMap = await readIndex(indexFile);
  const shardNames = [...new Set(weightMap.values())].sort();
  const present = new Set(await list(folder));
  const missing = shardNames.filter((name) => !present.has(name));
  if (missing.length > 0) throw new InputError(`${folder} lacks ${missing.join(", ")}, which ${indexName} names`);

  const tensors = new Map<string, StoredTensor>();
  let metadata: WeightSource["metadata"] = {};
  for (const [position, shardName] of shardNames.entries()) {
    const shard = await openSafetensors(join(folder, shardName));
    if (position === 0) metadata = shard.metadata;
    for (const [name, tensor] of shard.tensors) {
      if (weightMap.get(name) !== shardName) {
        throw new InputError(
          `${indexFile}: ${shardName} holds ${JSON.stringify(name)}, which the index does not list there`,
        );
      }
      tensors.set(name, tensor);
    }
  }
  for (const [name, shardName] of weightMap) {
    if (!tensors.has(name)) throw new InputError(`${indexFile}: ${shardName} does not hold ${JSON.stringify(name)}`);
  }
  return { origin: folder, tensors, metadata };
}

/** Tensor name to shard file name, in the order of the index. */
async function readIndex(indexFile: string): Promise<ReadonlyMap<string, string>> {
  let json: unknown;
  try {
    json = parsePythonJson(await readFile(indexFile, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw new InputError(`${indexFile} is not JSON: ${messageOf(error)}`);
    throw errnoError(indexFile, error);
  }
  const result = indexSchema.safeParse(json);
  if (!result.success) {
    throw new InputError(`${indexFile} is not an index of shards: it needs a weight_map of tensor names to file names`);
  }
  const weightMap = new Map(Object.entries(result.data.weight_map));
  if (weightMap.size === 0) throw new InputError(`${indexFile} names no tensors`);
  for (const shardName of weightMap.values()) {
    // Shards are in the folder of the index: a download must not point outside of it.
    if (!/^[^/\\]+\.safetensors$/.test(shardName) || shardName.includes("..")) {
      throw new InputError(`${indexFile} names the shard ${JSON.stringify(shardName)}, which is not a plain file name`);
    }
  }
  return weightMap;
}
