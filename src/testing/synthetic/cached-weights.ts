/** @file Synthetic weights on disk, written on first use. */

import { existsSync } from "node:fs";
import { crc32 } from "node:zlib";
import { type Shape, sizeOf } from "../../core/tensor.js";
import { writeSyntheticWeights } from "./weights.js";

/**
 * Returns the path of a file with weights of these names and shapes in float16 (`buffers` in float32). Its name is `stem` and a
 * hash of the shapes.
 */
export async function cachedWeights(
  stem: string,
  shapes: ReadonlyMap<string, Shape>,
  buffers: ReadonlyMap<string, Float32Array>,
): Promise<string> {
  const described = JSON.stringify([[...shapes], [...buffers.keys()]]);
  const file = `${stem}-${crc32(described).toString(16).padStart(8, "0")}.safetensors`;
  if (existsSync(file)) return file;
  const parameters = [...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
  process.stderr.write(`writing ${(parameters / 1e6).toFixed(0)} million synthetic weights to ${file}\n`);
  await writeSyntheticWeights(file, shapes, { dtype: "float16", buffers });
  return file;
}
