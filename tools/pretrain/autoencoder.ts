/** @file First stage: the autoencoder, from rendered scenes alone. */

import type { Generator } from "#softrepa/core/random.js";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { add, exp, input, mul, reduceMean, sqrt, sub } from "#softrepa/graph/ops.js";
import { type AutoencoderConfig, vaeDecoder, vaeEncoder, vaeScale } from "#softrepa/models/autoencoder-kl.js";
import { Weights } from "#softrepa/models/weights.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { imageSize, type Scene } from "#softrepa/scenes/scene.js";
import { drawTrainingScene } from "./mixture.js";
import type { Losses } from "./network.js";
import { renderShadedInto } from "./shaded.js";

/** Mean absolute error of the decoded sample + `klWeight` times the mean KL to the unit normal (arXiv 2112.10752, without discriminator). */
export function autoencoderLoss(w: Weights, config: AutoencoderConfig, batch: number, klWeight: number): Losses {
  const side = imageSize / vaeScale(config);
  const image = input(w.graph, "image", [batch, 3, imageSize, imageSize]);
  const noise = input(w.graph, "noise", [batch, config.latent_channels, side, side]);
  const { mean, logvar } = vaeEncoder(w, config, image);
  const sample = add(mean, mul(exp(mul(logvar, 0.5)), noise));
  const difference = sub(vaeDecoder(w, config, sample), image);
  const square = mul(difference, difference);
  const axes = [0, 1, 2, 3];
  // Smooth near zero, so that the last steps do not jump about the exact colours of plain grounds.
  const absolute = reduceMean(sqrt(add(square, 1e-4)), axes);
  const kl = mul(reduceMean(sub(add(mul(mean, mean), exp(logvar)), add(logvar, 1)), axes), 0.5);
  return { loss: add(absolute, mul(kl, klWeight)), square: reduceMean(square, axes), kl };
}

export function autoencoderBatch(config: AutoencoderConfig, batch: number, random: Generator) {
  const side = imageSize / vaeScale(config);
  const scenes = Array.from({ length: batch }, () => drawTrainingScene(random));
  return { image: imagesOf(scenes), noise: random.normal([batch, config.latent_channels, side, side]) };
}

/** The means of the latents of scenes under trained weights, [N, channels, side, side], unscaled. */
export async function sceneEncoder(
  engine: Engine,
  weights: ReadonlyMap<string, FloatTensor>,
  config: AutoencoderConfig,
) {
  const batch = 32;
  const graph = new Graph();
  const w = Weights.asInputs(graph);
  const { mean } = vaeEncoder(w, config, input(graph, "image", [batch, 3, imageSize, imageSize]));
  const session = await engine.compile(writeOnnx(graph, { mean }, engine.target));
  const used = Object.fromEntries(
    [...w.used.keys()].flatMap((name) => {
      const weight = weights.get(name);
      return weight ? [[name, weight]] : [];
    }),
  );
  return async (scenes: readonly Scene[]): Promise<FloatTensor> => {
    const latents = floatTensor([scenes.length, ...mean.shape.slice(1)]);
    const size = latents.data.length / scenes.length;
    for (let start = 0; start < scenes.length; start += batch) {
      const image = imagesOf(scenes.slice(start, start + batch), batch);
      const found = (await session.run({ ...used, image })).mean as FloatTensor;
      latents.data.set(found.data.subarray(0, (scenes.length - start) * size), start * size);
    }
    return latents;
  };
}

/** Images [count, 3, 64, 64] of scenes, empty behind the last. */
function imagesOf(scenes: readonly Scene[], count = scenes.length): FloatTensor {
  const images = floatTensor([count, 3, imageSize, imageSize]);
  for (const [index, scene] of scenes.entries())
    renderShadedInto(scene, images.data, (index * images.data.length) / count);
  return images;
}
