/** @file Stable Diffusion 3 and 3.5: three text encoders, MM-DiT, flow matching (diffusers pipeline_stable_diffusion_3.py). */

import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../core/errors.js";
import { mmditConfigSchema } from "../models/mmdit.js";
import type { Engine } from "../runtime/engine.js";
import { flowMatchEuler } from "../schedulers/index.js";
import { Autoencoder } from "./autoencoder.js";
import { openComponentWeights } from "./component-weights.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import { LatentPipeline } from "./latent-pipeline.js";
import type { OpenOptions } from "./open.js";
import type { DiffusionPipeline, FamilyDefaults } from "./pipeline.js";
import { Sd3Denoiser } from "./sd3-denoiser.js";
import { Sd3TextEncoders } from "./sd3-text.js";

const defaults: FamilyDefaults = { steps: 28, guidanceScale: 4, dweight: 0, layers: 5, initialTokens: "noise" };

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
  const texts = await Sd3TextEncoders.open(folder, config.joint_attention_dim, options);
  const denoiser = new Sd3Denoiser(engine, config, weights, scheduler, texts.length, texts.lastTokenCount);
  return new LatentPipeline({
    origin: folder.path,
    defaults,
    denoiser,
    weights,
    texts,
    zeroEmptyNegative: false,
    autoencoder,
    scheduler(name) {
      if (name === "own" || name === "flow-euler") return scheduler;
      throw new UsageError(`Stable Diffusion 3 has no scheduler ${name}, only flow-euler`);
    },
  });
}
