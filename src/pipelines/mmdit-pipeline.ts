/** @file Flow-matching pipelines of an MM-DiT, two CLIP text encoders with optional T5, and an AutoencoderKL. */

import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../core/errors.js";
import { mmditConfigSchema } from "../models/mmdit.js";
import { flowMatchEuler } from "../schedulers/index.js";
import { openAutoencoderKl } from "./autoencoder-kl.js";
import { ClipT5TextEncoders } from "./clip-t5-text-encoders.js";
import { openComponentWeights } from "./component-weights.js";
import { readComponentJson } from "./folder.js";
import type { LatentPipelineParts } from "./latent-pipeline.js";
import { MmditDenoiser } from "./mmdit-denoiser.js";
import type { PipelineSource } from "./pipeline-source.js";

export async function mmditPipelineParts({
  family,
  folder,
  engine,
  options,
}: PipelineSource): Promise<LatentPipelineParts> {
  const config = await readComponentJson(folder, "transformer", "config.json", mmditConfigSchema);
  const weights = await openComponentWeights(folder, "transformer", "diffusion_pytorch_model", options.variant);
  const schedulerConfig = await readComponentJson(folder, "scheduler", "scheduler_config.json", z.unknown());
  const scheduler = flowMatchEuler(schedulerConfig, join(folder.path, "scheduler", "scheduler_config.json"));
  const codec = await openAutoencoderKl(folder, options);
  const textEncoders = await ClipT5TextEncoders.open(folder, config.joint_attention_dim, options);
  const { length: textLength, lastTokenCount } = textEncoders;
  const denoiser = new MmditDenoiser(engine, {
    family: family.name,
    config,
    weights,
    scheduler,
    textLength,
    lastTokenCount,
  });
  return {
    denoiser,
    weights,
    textEncoders,
    codec,
    forceZerosForEmptyPrompt: false,
    scheduler(name) {
      if (name === "own" || name === "flow-euler") return scheduler;
      throw new UsageError(`this model has no scheduler ${name}, only flow-euler`);
    },
  };
}
