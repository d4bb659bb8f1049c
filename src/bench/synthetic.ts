/** @file Synthetic weights: every tensor a fixed function of its name and shape (see test/fixtures/parity/README.md). */

import { crc32 } from "node:zlib";
import { floatTensor, type Shape, sizeOf, type Tensor } from "../core/tensor.js";
import type { Value } from "../graph/graph.js";
import { Graph } from "../graph/graph.js";
import { Weights } from "../models/weights.js";
import { writeSafetensors } from "../weights/safetensors.js";

/** -1..1 from a 32-bit hash of position and seed. */
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

/** Names and shapes of the weights that `build` asks for. */
export function weightShapes(build: (w: Weights, graph: Graph) => unknown): Map<string, Shape> {
  const graph = new Graph();
  const weights = Weights.asInputs(graph);
  build(weights, graph);
  return new Map([...weights.used].map(([name, { shape }]: [string, Value]) => [name, shape]));
}

/** Writes the synthetic weights of a network as one float32 safetensors file. */
export async function writeSyntheticWeights(file: string, shapes: ReadonlyMap<string, Shape>): Promise<void> {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of shapes) tensors.set(name, floatTensor(shape, syntheticWeight(name, shape)));
  await writeSafetensors(file, tensors, {});
}
