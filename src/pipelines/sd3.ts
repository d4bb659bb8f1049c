/** @file Stable Diffusion 3 and 3.5: three text encoders, MM-DiT, flow matching (diffusers pipeline_stable_diffusion_3.py). */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import type { Graph, Value } from "../graph/graph.js";
import { embedText, type MmditConfig, mmdit, mmditConfigSchema, mmditWidth } from "../models/mmdit.js";
import { Weights } from "../models/weights.js";
import type { Engine } from "../runtime/engine.js";
import { flowMatchEuler, type Scheduler } from "../schedulers/index.js";
import { openCheckpoint } from "../weights/checkpoint.js";
import type { WeightSource } from "../weights/source.js";
import { Autoencoder } from "./autoencoder.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import type { OpenOptions } from "./open.js";
import type { DenoiserInputs, DiffusionPipeline, Noising, SoftTokenLayout } from "./pipeline.js";
import { Sd3TextEncoders } from "./sd3-text.js";
import { SessionCache } from "./session-cache.js";

export async function openSd3(
  folder: PipelineFolder,
  engine: Engine,
  options: OpenOptions,
): Promise<DiffusionPipeline> {
  const config = await readComponentJson(folder, "transformer", "config.json", mmditConfigSchema);
  const weights = await openCheckpoint(join(folder.path, "transformer"), "diffusion_pytorch_model", options.variant);
  const schedulerConfig = await readComponentJson(folder, "scheduler", "scheduler_config.json", z.unknown());
  const scheduler = flowMatchEuler(schedulerConfig, join(folder.path, "scheduler", "scheduler_config.json"));
  const autoencoder = await Autoencoder.open(folder, options);
  if (autoencoder.config.latent_channels !== config.in_channels) {
    const { latent_channels } = autoencoder.config;
    throw new InputError(
      `${folder.path}: the autoencoder has ${latent_channels} latent channels, the transformer reads ${config.in_channels}`,
    );
  }
  const text = await Sd3TextEncoders.open(folder, config.joint_attention_dim, options);
  return new Sd3Pipeline(folder.path, engine, config, weights, text, autoencoder, scheduler);
}

class Sd3Pipeline implements DiffusionPipeline {
  readonly family = "sd3";
  readonly samplerName = "Flow Match Euler";
  readonly latentScale: number;
  readonly sizeMultiple: number;
  readonly defaultSize: number;
  readonly latentChannels: number;
  readonly softTokenLayout: SoftTokenLayout;
  readonly conditioningShapes: DiffusionPipeline["conditioningShapes"];
  private readonly sessions = new SessionCache();

  constructor(
    readonly origin: string,
    readonly engine: Engine,
    private readonly config: MmditConfig,
    private readonly weights: WeightSource,
    private readonly text: Sd3TextEncoders,
    private readonly autoencoder: Autoencoder,
    readonly scheduler: Scheduler,
  ) {
    this.latentScale = autoencoder.scale;
    this.sizeMultiple = this.latentScale * config.patch_size;
    this.defaultSize = config.sample_size * this.latentScale;
    this.latentChannels = config.in_channels;
    this.softTokenLayout = {
      family: this.family,
      placement: "prefix",
      layers: config.num_layers,
      rawWidth: config.joint_attention_dim,
      projectedWidth: mmditWidth(config),
    };
    this.conditioningShapes = {
      prompt_embeds: [text.length, config.joint_attention_dim],
      pooled: [config.pooled_projection_dim],
    };
  }

  tokensAPair([, height, width]: Shape): number {
    return (height * width) / this.config.patch_size ** 2 + this.text.length;
  }

  encodePrompts(prompts: readonly string[]) {
    return this.text.encode(prompts, this.engine, this.sessions);
  }

  encodeImages(images: FloatTensor): Promise<FloatTensor> {
    return this.autoencoder.encode(images, this.engine, this.sessions);
  }

  decodeLatents(latents: FloatTensor): Promise<FloatTensor> {
    return this.autoencoder.decode(latents, this.engine, this.sessions);
  }

  denoise(graph: Graph, { sample, timestep, conditioning, softTokens }: DenoiserInputs): Value {
    const w = Weights.of(graph, this.weights);
    const { prompt_embeds: promptEmbeds, pooled } = conditioning;
    const velocity = mmdit(w, this.config, { sample, timestep, promptEmbeds, pooled, softTokens });
    w.requireAllUsed();
    return velocity;
  }

  projectSoftTokens(graph: Graph, tokens: Value): Value {
    return embedText(Weights.of(graph, this.weights), this.config, tokens);
  }

  /** x_t = (1 - s) x_0 + s noise with s = t / 1000; target noise - x_0 (rectified flow, arXiv 2403.03206). */
  noising(latents: FloatTensor, noise: FloatTensor, timestep: number): Noising {
    const count = noise.data.length;
    const velocity = latents.data.map((x, i) => noise.data[i % count] - x);
    return {
      sample: this.scheduler.addNoise(latents, noise, timestep),
      target: floatTensor(latents.shape, velocity),
    };
  }

  releaseEncoders(): Promise<void> {
    return this.sessions.release();
  }
}
