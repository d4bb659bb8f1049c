/** @file Synthetic weights: each tensor is a fixed function of its name and shape (see test/fixtures/parity/README.md). */

import { crc32 } from "node:zlib";
import { type FloatTensor, floatTensor, type Shape, sizeOf } from "../../core/tensor.js";
import { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import { Weights } from "../../models/weights.js";
import { float32ToFloat16 } from "../../weights/half.js";
import { writeSafetensorsLazily } from "../../weights/safetensors.js";

/** A value in -1..1 from a 32-bit hash of index and seed. */
function hashed(index: number, seed: number): number {
  let x = (index + seed) >>> 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  x ^= x >>> 16;
  return (2 * (x >>> 0)) / 2 ** 32 - 1;
}

/** The values of the weight `name`. */
export function syntheticWeight(name: string, shape: Shape): Float32Array {
  const seed = crc32(name);
  const values = new Float32Array(sizeOf(shape));
  const scale = shape.length >= 2 ? Math.sqrt(3 / (values.length / shape[0])) : 0.1;
  const offset = shape.length < 2 && /(running_var|weight)$/.test(name) ? 1 : 0;
  for (let index = 0; index < values.length; index++) values[index] = offset + scale * hashed(index, seed);
  return values;
}

/** Names and shapes of the weights that `build` reads. */
export function weightShapes(build: (w: Weights, graph: Graph) => unknown): Map<string, Shape> {
  const graph = new Graph();
  const weights = Weights.asInputs(graph);
  build(weights, graph);
  return new Map([...weights.used].map(([name, { shape }]: [string, Value]) => [name, shape]));
}

/** Pseudo-random inputs of standard deviation `scale`, R(seed, shape) of the same README. */
export function syntheticInput(seed: number, shape: Shape, scale = 1): FloatTensor {
  const tensor = floatTensor(shape);
  const { data } = tensor;
  // Rounded to float32 before scaling, as in the reference.
  for (let index = 0; index < data.length; index++) {
    data[index] = scale * Math.fround(Math.sqrt(3) * hashed(index, seed));
  }
  return tensor;
}

export interface SyntheticWeightOptions {
  /** The stored dtype (default float32). */
  readonly dtype?: "float32" | "float16";
  /** Float32 tensors with given values in place of synthetic ones. */
  readonly buffers?: ReadonlyMap<string, Float32Array>;
}

/** Writes a network's synthetic weights to one safetensors file, tensor by tensor. */
export async function writeSyntheticWeights(
  file: string,
  shapes: ReadonlyMap<string, Shape>,
  { dtype = "float32", buffers = new Map() }: SyntheticWeightOptions = {},
): Promise<void> {
  const typeOf = (name: string) => (buffers.has(name) ? "float32" : dtype);
  const tensors = new Map([...shapes].map(([name, shape]) => [name, { dtype: typeOf(name), shape }]));
  await writeSafetensorsLazily(file, tensors, (name) => {
    const values = buffers.get(name) ?? syntheticWeight(name, shapes.get(name) ?? []);
    return typeOf(name) === "float16" ? float32ToFloat16(values) : values;
  });
}
