/** @file AutoencoderKL as a pipeline's image codec; scales and shifts its latents. */

import { createHash } from "node:crypto";
import type { Value } from "../graph/ir.js";
import { add, div, exp, mul, sub } from "../graph/ops.js";
import {
  type AutoencoderConfig,
  autoencoderConfigSchema,
  autoencoderDialect,
  vaeDecoder,
  vaeDecoderIgnoredKeys,
  vaeEncoder,
  vaeEncoderIgnoredKeys,
  vaeScale,
} from "../models/autoencoder-kl.js";
import { translateKeys } from "../models/dialect.js";
import { Weights } from "../models/weights.js";
import type { WeightSource } from "../weights/source.js";
import { openComponentWeights } from "./component-weights.js";
import { weightsFingerprint } from "./fingerprint.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import type { ImageCodec } from "./image-codec.js";
import type { PipelineFileOptions } from "./open-options.js";

/** Opens the pipeline's `vae` component. */
export async function openAutoencoderKl(folder: PipelineFolder, options: PipelineFileOptions): Promise<ImageCodec> {
  const config = await readComponentJson(folder, "vae", "config.json", autoencoderConfigSchema);
  const weights = await openComponentWeights(folder, "vae", "diffusion_pytorch_model", options.variant);
  return new AutoencoderKl(config, translateKeys(weights, autoencoderDialect));
}

class AutoencoderKl implements ImageCodec {
  readonly name = "autoencoder";
  readonly imageChannels: number;
  readonly latentChannels: number;
  readonly scaleFactor: number;

  constructor(
    private readonly config: AutoencoderConfig,
    private readonly weights: WeightSource,
  ) {
    this.imageChannels = config.in_channels;
    this.latentChannels = config.latent_channels;
    this.scaleFactor = vaeScale(config);
  }

  /** (z - shift_factor) * scaling_factor, where z is the mean, or mean + exp(logvar / 2) * noise. */
  encode(images: Value, noise?: Value): Value {
    const { scaling_factor, shift_factor } = this.config;
    const w = Weights.of(images.graph, this.weights);
    const { mean, logvar } = vaeEncoder(w, this.config, images);
    w.requireAllUsed(...vaeEncoderIgnoredKeys);
    const z = noise === undefined ? mean : add(mean, mul(exp(div(logvar, 2)), noise));
    return mul(sub(z, shift_factor ?? 0), scaling_factor);
  }

  decode(latents: Value): Value {
    const { scaling_factor, shift_factor } = this.config;
    const w = Weights.of(latents.graph, this.weights);
    const images = vaeDecoder(w, this.config, add(div(latents, scaling_factor), shift_factor ?? 0));
    w.requireAllUsed(...vaeDecoderIgnoredKeys);
    return images;
  }

  /** Covers the stored dtypes too, since latents from weights of another dtype differ in the last bits. */
  async fingerprint(): Promise<string> {
    const { tensors } = this.weights;
    const types = [...tensors.values()].map(({ name, dtype }) => `${name} ${dtype}`).sort();
    const values = await weightsFingerprint(this.weights);
    return createHash("sha256")
      .update(JSON.stringify([values, types, this.config]))
      .digest("hex");
  }
}
