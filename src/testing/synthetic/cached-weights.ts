/** @file Synthetic weights on disk, written on first use. */

import { existsSync } from "node:fs";
import { crc32 } from "node:zlib";
import { type Shape, sizeOf } from "../../core/tensor.js";
import { writeSyntheticWeights } from "./weights.js";

/**
 * The file with the weights of these names and shapes in float16 (`buffers` in float32); `stem` is how it begins, and the
 * rest of its name tells other models from this one.
 */
export async function cachedWeights(
  stem: string,
  shapes: ReadonlyMap<string, Shape>,
  buffers: ReadonlyMap<string, Float32Array>,
): Promise<string> {
  const described = JSON.stringify([[...shapes], [...buffers.keys()]]);
  const file = `${stem}-${crc32(described).toString(16).padStart(8, "0")}.safetensors`;
  if (existsSync(file)) return file;
  const numbers = [...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
  process.stderr.write(`writing ${(numbers / 1e6).toFixed(0)} million synthetic weights to ${file}\n`);
  await writeSyntheticWeights(file, shapes, { dtype: "float16", buffers });
  return file;
}
