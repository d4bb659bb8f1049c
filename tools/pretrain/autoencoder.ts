/** @file First stage: the autoencoder, from rendered scenes alone. */

import type { Generator } from "#softrepa/core/random.js";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { add, exp, input, mul, reduceMean, sqrt, sub } from "#softrepa/graph/ops.js";
import { type AutoencoderConfig, vaeDecoder, vaeEncoder, vaeScale } from "#softrepa/models/autoencoder-kl.js";
import type { Weights } from "#softrepa/models/weights.js";
import { drawScene } from "#softrepa/world/draw.js";
import { renderInto } from "#softrepa/world/render.js";
import { imageSize } from "#softrepa/world/scene.js";
import type { Losses } from "./network.js";

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
  return { image: renderedScenes(batch, random), noise: random.normal([batch, config.latent_channels, side, side]) };
}

/** Training scenes [N, 3, 64, 64]. */
function renderedScenes(batch: number, random: Generator): FloatTensor {
  const images = floatTensor([batch, 3, imageSize, imageSize]);
  const numbers = images.data.length / batch;
  for (let index = 0; index < batch; index++) renderInto(drawScene("train", random), images.data, index * numbers);
  return images;
}
