/** @file Helpers for tests of whole pipelines: the small fixture pipelines and modified copies of them. */

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after } from "node:test";
import type { FloatTensor, Tensor } from "../../core/tensor.js";
import { openPipeline } from "../../families/open.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../weights/safetensors.js";
import { fixture } from "../weights/support.js";

export type TinyFamily = "sd15" | "sdxl" | "sd3" | "sd35";

/**
 * Pipeline folders with random weights, for 64 x 64 pixels; Stable Diffusion 3's have text states of width 48 and blocks of
 * width 32.
 */
export const pipelineFolder = (family: TinyFamily): string => fixture("parity", family, "pipeline");

/** The T5 length of the golden values, which keeps graphs small. */
export const shortText = { maxSequenceLength: 24 };

export const captions = [
  "a red cube on top of a blue sphere",
  "two cats sleeping on a wooden bench",
  "A photo of an astronaut riding a horse, on Mars!",
  "three green apples & a yellow banana",
] as const;

/** Opens a small pipeline on an engine that is closed after the file's tests. */
export function openTiny(family: TinyFamily): Promise<DiffusionPipeline> {
  const engine = new OnnxRuntimeEngine("cpu", 1);
  after(() => engine.close());
  return openPipeline(pipelineFolder(family), engine, shortText);
}

export async function copyPipeline(family: TinyFamily, to: string): Promise<string> {
  await mkdir(dirname(to), { recursive: true });
  await cp(pipelineFolder(family), to, { recursive: true });
  return to;
}

/** Rewrites a JSON file with `changes` applied; undefined removes a key. */
export async function changeJson(file: string, changes: Readonly<Record<string, unknown>>): Promise<void> {
  const json: unknown = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...(json as object), ...changes }));
}

/** Rewrites a safetensors file with the tensors that `change` edited. */
export async function changeTensors(
  file: string,
  change: (tensors: Map<string, Tensor>) => void,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { tensors, metadata } = await openSafetensors(file);
  const loaded = new Map<string, Tensor>();
  for (const [name, stored] of tensors) loaded.set(name, await readTensor(stored));
  change(loaded);
  await writeSafetensors(file, loaded, { ...metadata, ...more });
}

/** The weight file of a component in an unsharded pipeline. */
export function weightFile(folder: string, component: string): string {
  const stem = component.startsWith("text_encoder") ? "model" : "diffusion_pytorch_model";
  return join(folder, component, `${stem}.safetensors`);
}

/** Relative error of a tensor, ||actual - expected|| / ||expected||. */
export function relativeError(actual: Pick<FloatTensor, "data">, expected: Pick<FloatTensor, "data">): number {
  if (actual.data.length !== expected.data.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (const [i, wanted] of expected.data.entries()) {
    difference += ((actual.data[i] ?? Number.NaN) - wanted) ** 2;
    size += wanted ** 2;
  }
  return Math.sqrt(difference / size);
}

/** max |actual - expected| */
export function largestDifference(actual: Pick<FloatTensor, "data">, expected: Pick<FloatTensor, "data">): number {
  if (actual.data.length !== expected.data.length) return Number.POSITIVE_INFINITY;
  return expected.data.reduce(
    (most, wanted, i) => Math.max(most, Math.abs((actual.data[i] ?? Number.NaN) - wanted)),
    0,
  );
}
