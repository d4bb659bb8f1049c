/** @file Stable Diffusion 3 and 3.5: three text encoders, MM-DiT, flow matching (diffusers pipeline_stable_diffusion_3.py). */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { type FloatTensor, formatShape, sameShape } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import { input } from "../graph/ops.js";
import { GraphError } from "../graph/types.js";
import { type MmditConfig, mmditConfigSchema } from "../models/mmdit.js";
import type { Engine } from "../runtime/engine.js";
import { flowMatchEuler, type Scheduler } from "../schedulers/index.js";
import type { WeightSource } from "../weights/source.js";
import { Autoencoder } from "./autoencoder.js";
import { openComponentWeights } from "./component-weights.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import type { OpenOptions } from "./open.js";
import type { BeforeRun, DiffusionPipeline } from "./pipeline.js";
import { Sd3Denoiser } from "./sd3-denoiser.js";
import { Sd3TextEncoders } from "./sd3-text.js";
import { SessionCache } from "./session-cache.js";

export async function openSd3(
  folder: PipelineFolder,
  engine: Engine,
  options: OpenOptions,
): Promise<DiffusionPipeline> {
  const config = await readComponentJson(folder, "transformer", "config.json", mmditConfigSchema);
  const weights = await openComponentWeights(folder, "transformer", "diffusion_pytorch_model", options.variant);
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
  const pipeline = new Sd3Pipeline(folder.path, engine, config, weights, scheduler, text, autoencoder);
  pipeline.checkWeights();
  return pipeline;
}

class Sd3Pipeline extends Sd3Denoiser implements DiffusionPipeline {
  readonly family = "sd3";
  readonly samplerName = "Flow Match Euler";
  readonly latentScale: number;
  readonly sizeMultiple: number;
  readonly defaultSize: number;
  readonly latentChannels: number;
  private readonly sessions = new SessionCache();

  constructor(
    readonly origin: string,
    engine: Engine,
    config: MmditConfig,
    weights: WeightSource,
    scheduler: Scheduler,
    private readonly text: Sd3TextEncoders,
    private readonly autoencoder: Autoencoder,
  ) {
    super(engine, config, weights, scheduler, text.length);
    this.latentScale = autoencoder.scale;
    this.sizeMultiple = this.latentScale * config.patch_size;
    this.defaultSize = config.sample_size * this.latentScale;
    this.latentChannels = config.in_channels;
  }

  /**
   * Builds every network once at its smallest size, so that a tensor that is missing, misshaped or left over is found now
   * and not when the network is first needed: the decoder's turn comes after all denoising is done.
   */
  checkWeights(): void {
    try {
      const text = this.text.build(new Graph(), 1);
      for (const [name, { shape }] of Object.entries(text)) {
        const wanted = this.conditioningShapes[name] ?? [];
        if (sameShape(shape.slice(1), wanted)) continue;
        const [given, read] = [formatShape(shape.slice(1)), formatShape(wanted)];
        throw new InputError(
          `${this.origin}: the text encoders give ${name} of ${given}, the transformer reads ${read}`,
        );
      }
      this.autoencoder.checkWeights();
      const graph = new Graph();
      const { in_channels, patch_size } = this.config;
      this.denoise(graph, {
        sample: input(graph, "sample", [1, in_channels, patch_size, patch_size]),
        timestep: input(graph, "timestep", [1]),
        conditioning: Object.fromEntries(
          Object.entries(this.conditioningShapes).map(([name, shape]) => [name, input(graph, name, [1, ...shape])]),
        ),
        softTokens: null,
      });
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      // Every network has the weights that its configuration asks for; it is the configurations that contradict.
      throw new InputError(`${this.origin}: its parts do not fit together: ${error.message}`, { cause: error });
    }
  }

  encodePrompts(prompts: readonly string[], beforeRun?: BeforeRun) {
    return this.text.encode(prompts, this.engine, this.sessions, beforeRun);
  }

  encodeImages(images: FloatTensor, beforeRun?: BeforeRun): Promise<FloatTensor> {
    return this.autoencoder.encode(images, this.engine, this.sessions, beforeRun);
  }

  decodeLatents(latents: FloatTensor, beforeRun?: BeforeRun): Promise<FloatTensor> {
    return this.autoencoder.decode(latents, this.engine, this.sessions, beforeRun);
  }

  releaseEncoders(): Promise<void> {
    return this.sessions.release();
  }
}
