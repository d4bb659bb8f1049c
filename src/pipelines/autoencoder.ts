/** @file The autoencoder of a pipeline: images to scaled latents and back, one image a run. */

import { createHash } from "node:crypto";
import { type Stoppable, stopIfAsked } from "../core/errors.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { add, div, input, mul, sub } from "../graph/ops.js";
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
import type { Engine } from "../runtime/engine.js";
import type { WeightSource } from "../weights/source.js";
import { openComponentWeights } from "./component-weights.js";
import { weightsFingerprint } from "./fingerprint.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import type { OpenOptions } from "./open.js";
import type { SessionCache } from "./session-cache.js";

export class Autoencoder {
  private constructor(
    readonly config: AutoencoderConfig,
    private readonly weights: WeightSource,
  ) {}

  static async open(folder: PipelineFolder, options: OpenOptions): Promise<Autoencoder> {
    const config = await readComponentJson(folder, "vae", "config.json", autoencoderConfigSchema);
    const weights = await openComponentWeights(folder, "vae", "diffusion_pytorch_model", options.variant);
    return new Autoencoder(config, translateKeys(weights, autoencoderDialect));
  }

  /** Pixels a latent. */
  get scale(): number {
    return vaeScale(this.config);
  }

  /** Tells weights in other types apart too: their latents differ in the last bits. */
  async fingerprint(): Promise<string> {
    const { tensors } = this.weights;
    const types = [...tensors.values()].map(({ name, dtype }) => `${name} ${dtype}`).sort();
    const numbers = await weightsFingerprint(this.weights);
    return createHash("sha256")
      .update(JSON.stringify([numbers, types, this.config]))
      .digest("hex");
  }

  /** Images [N, 3, H, W] in -1..1 to (mean - shift_factor) * scaling_factor. */
  encode(images: FloatTensor, engine: Engine, sessions: SessionCache, options: Stoppable = {}): Promise<FloatTensor> {
    return this.each(images, "vae:encode", engine, sessions, options, (image) => this.buildEncoder(image));
  }

  /** Scaled latents [N, C, h, w] to images. */
  decode(latents: FloatTensor, engine: Engine, sessions: SessionCache, options: Stoppable = {}): Promise<FloatTensor> {
    return this.each(latents, "vae:decode", engine, sessions, options, (latent) => this.buildDecoder(latent));
  }

  /** Refuses a checkpoint that is not the configured model's, key by key. */
  checkWeights(): void {
    const { in_channels, latent_channels } = this.config;
    this.buildEncoder(input(new Graph(), "image", [1, in_channels, 2 * this.scale, 2 * this.scale]));
    this.buildDecoder(input(new Graph(), "latents", [1, latent_channels, 2, 2]));
  }

  /** Adds the encoder or the decoder of one image of `size` pixels a side. */
  build(part: "encoder" | "decoder", graph: Graph, size: number): Value {
    const { in_channels, latent_channels } = this.config;
    const side = size / this.scale;
    if (part === "encoder") return this.buildEncoder(input(graph, "x", [1, in_channels, size, size]));
    return this.buildDecoder(input(graph, "x", [1, latent_channels, side, side]));
  }

  private buildEncoder(image: Value): Value {
    const { scaling_factor, shift_factor } = this.config;
    const w = Weights.of(image.graph, this.weights);
    const { mean } = vaeEncoder(w, this.config, image);
    w.requireAllUsed(...vaeEncoderIgnoredKeys);
    return mul(sub(mean, shift_factor ?? 0), scaling_factor);
  }

  private buildDecoder(latents: Value): Value {
    const { scaling_factor, shift_factor } = this.config;
    const w = Weights.of(latents.graph, this.weights);
    const image = vaeDecoder(w, this.config, add(div(latents, scaling_factor), shift_factor ?? 0));
    w.requireAllUsed(...vaeDecoderIgnoredKeys);
    return image;
  }

  /** Runs every row of `tensor` through the graph that `build` makes for one. */
  private async each(
    tensor: FloatTensor,
    key: string,
    engine: Engine,
    sessions: SessionCache,
    { signal }: Stoppable,
    build: (x: Value) => Value,
  ): Promise<FloatTensor> {
    const shape = [1, ...tensor.shape.slice(1)];
    const session = await sessions.get(`${key}:${shape.join("x")}`, () => {
      const graph = new Graph();
      const output = build(input(graph, "x", shape));
      return engine.compile(writeOnnx(graph, { output }, engine.target));
    });
    const results: FloatTensor[] = [];
    for (let index = 0; index < tensor.shape[0]; index++) {
      stopIfAsked(signal);
      const { output } = await session.run({ x: rows(tensor, index, index + 1) });
      results.push(output as FloatTensor);
    }
    return concatRows(results);
  }
}
