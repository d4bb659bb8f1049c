/** @file The scenes that the transformer is trained on, encoded once and kept in a file. */

import { stat } from "node:fs/promises";
import { Generator } from "#softrepa/core/random.js";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { input } from "#softrepa/graph/ops.js";
import { vaeEncoder, vaeScale } from "#softrepa/models/autoencoder-kl.js";
import { Weights } from "#softrepa/models/weights.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { openSafetensors, readTensor, writeSafetensors } from "#softrepa/weights/safetensors.js";
import { renderInto } from "#softrepa/world/render.js";
import { imageSize, type Scene } from "#softrepa/world/scene.js";
import { autoencoderConfig } from "./configs.js";
import { drawTrainingScene } from "./mixture.js";
import type { EncodedScenes } from "./transformer.js";

/** What the transformer sees is (mean - shift) * scale: mean 0 and variance 1 over all numbers. */
export interface LatentScale {
  readonly shift: number;
  readonly scale: number;
}

const batch = 32;
const scenesOfScale = 32_000;

/**
 * `count` scenes and the means of their latents, unscaled, [count, channels, side, side]. Those that `file` has are not encoded
 * again: the first scenes are the same for every count.
 */
export async function encodeScenes(
  count: number,
  autoencoder: ReadonlyMap<string, FloatTensor>,
  engine: Engine,
  file: string,
  signal: AbortSignal,
): Promise<EncodedScenes | null> {
  const random = new Generator(2);
  const drawn = Array.from({ length: count }, () => drawTrainingScene(random));
  const sceneAt = packed(drawn);
  const kept = (await stat(file).catch(() => null)) ? (await openSafetensors(file)).tensors.get("latents") : undefined;
  const stored = kept && (await readTensor(kept));
  if (stored?.shape[0] === count) return { sceneAt, latents: stored };
  const graph = new Graph();
  const w = Weights.asInputs(graph);
  const { mean } = vaeEncoder(w, autoencoderConfig, input(graph, "image", [batch, 3, imageSize, imageSize]));
  const session = await engine.compile(writeOnnx(graph, { mean }, engine.target));
  const weights = Object.fromEntries([...w.used.keys()].map((name) => [name, tensorOf(autoencoder, name)]));
  const side = imageSize / vaeScale(autoencoderConfig);
  const size = autoencoderConfig.latent_channels * side * side;
  const latents = floatTensor([count, autoencoderConfig.latent_channels, side, side]);
  if (stored) latents.data.set(stored.data.subarray(0, latents.data.length));
  for (let start = Math.min(stored?.shape[0] ?? 0, count); start < count; start += batch) {
    if (signal.aborted) return null;
    const image = imagesOf(drawn.slice(start, start + batch));
    const { mean: found } = await session.run({ ...weights, image });
    latents.data.set((found as FloatTensor).data.subarray(0, (count - start) * size), start * size);
  }
  await session.release();
  await writeSafetensors(file, new Map([["latents", latents]]));
  return { sceneAt, latents };
}

/** Scenes as bytes: as objects, all of them would be visited by every collection of garbage, a fifth of the time of training. */
function packed(scenes: readonly Scene[]): (index: number) => Scene {
  const lines = scenes.map((scene) => Buffer.from(JSON.stringify(scene)));
  const ends = new Float64Array(lines.length);
  let end = 0;
  for (const [index, { length }] of lines.entries()) {
    end += length;
    ends[index] = end;
  }
  const bytes = Buffer.concat(lines);
  return (index) => JSON.parse(bytes.toString("utf8", index === 0 ? 0 : ends[index - 1], ends[index])) as Scene;
}

/** A whole batch, empty behind the last scene. */
function imagesOf(scenes: readonly Scene[]): FloatTensor {
  const image = floatTensor([batch, 3, imageSize, imageSize]);
  for (const [index, scene] of scenes.entries()) renderInto(scene, image.data, (index * image.data.length) / batch);
  return image;
}

function tensorOf(tensors: ReadonlyMap<string, FloatTensor>, name: string): FloatTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new RangeError(`no weight ${name}`);
  return tensor;
}

/** Of the first scenes, as many as there were when the scale was fixed. */
export function measureScale(latents: FloatTensor): LatentScale {
  const data = latents.data.subarray(0, scenesOfScale * (latents.data.length / latents.shape[0]));
  let sum = 0;
  let squares = 0;
  for (const x of data) {
    sum += x;
    squares += x * x;
  }
  const shift = sum / data.length;
  const deviation = Math.sqrt(squares / data.length - shift * shift);
  // Four digits, as they stand in the configuration.
  return { shift: Number(shift.toFixed(4)), scale: Number((1 / deviation).toFixed(4)) };
}

/** In place. */
export function scaleLatents({ data }: FloatTensor, { shift, scale }: LatentScale): void {
  for (let i = 0; i < data.length; i++) data[i] = (data[i] - shift) * scale;
}
