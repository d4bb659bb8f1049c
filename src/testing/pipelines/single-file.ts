/**
 * @file Small checkpoints of the original layout, and the same models as diffusers folders, for tests. The manifests' digests
 * check that the folders hold what diffusers' converters write.
 */

import assert from "node:assert/strict";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../core/tensor.js";
import { sd3 } from "../../families/sd3.js";
import { sd15 } from "../../families/sd15.js";
import { sdxl } from "../../families/sdxl.js";
import { subtree } from "../../models/original/network.js";
import { float32ToFloat16 } from "../../weights/half.js";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.js";
import { digestOf, type OriginalName, originalTensors, readManifest, valuesOf } from "../models/original.js";
import { fixture } from "../weights/support.js";
import { weightFile } from "./support.js";

type KeepTensor = (name: string) => boolean;

/** Writes the checkpoint of a manifest: only the keys that `keep` accepts, with `shapes` in place of their own shapes. */
export async function writeOriginal(
  family: OriginalName,
  file: string,
  dtype: "float32" | "float16",
  keep: KeepTensor = () => true,
  shapes: Readonly<Record<string, number[]>> = {},
): Promise<string> {
  const manifest = readManifest(family);
  const changed = { ...manifest, original: { ...manifest.original, ...shapes } };
  const tensors = [...originalTensors(changed, dtype)].filter(([name]) => keep(name));
  await writeSafetensors(file, new Map(tensors));
  return file;
}

/** The fixture pipeline with the tokenizers and scheduler of a family's small models. */
export const tokenizerFolder = (family: OriginalName): string => fixture("parity", family, "pipeline");

/** Converts the model of `file` to a folder, as diffusers does. */
export async function writeDiffusersFolder(
  family: OriginalName,
  file: string,
  folder: string,
  dtype: "float32" | "float16",
): Promise<string> {
  const source = await openSafetensors(file);
  const { networks, encoders } = { sd15, sdxl, sd3, sd35: sd3 }[family].singleFile;
  await mkdir(folder, { recursive: true });
  for (const name of ["model_index.json", "scheduler", "tokenizer", "tokenizer_2", "tokenizer_3"]) {
    await cp(join(tokenizerFolder(family), name), join(folder, name), { recursive: true }).catch(() => undefined);
  }
  for (const [component, { config, tensors }] of Object.entries(readManifest(family).components)) {
    const part = [...networks, ...encoders].find((one) => one.component === component);
    assert.ok(part, component);
    const { weights } = part.read(subtree(source, part.prefix, component));
    const converted = new Map<string, Tensor>();
    for (const [name, [shape, digest]] of Object.entries(tensors)) {
      const values = await valuesOf(weights, name);
      assert.deepEqual([values.shape, digestOf(values)], [shape, digest], `${component} ${name}`);
      converted.set(name, dtype === "float32" ? values : { dtype, shape, data: float32ToFloat16(values.data) });
    }
    await mkdir(join(folder, component));
    await writeFile(join(folder, component, "config.json"), JSON.stringify(config));
    await writeSafetensors(weightFile(folder, component), converted);
  }
  return folder;
}
