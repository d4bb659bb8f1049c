/** @file Pipelines of a UNet, CLIP text encoders and an AutoencoderKL. */

import { unetConfigSchema } from "../models/unet-config.js";
import type { DiffusionConfig } from "../schedulers/index.js";
import { openAutoencoderKl } from "./autoencoder-kl.js";
import { openComponentWeights } from "./component-weights.js";
import { DiffusionSchedulers } from "./diffusion-schedulers.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import type { LatentPipelineParts } from "./latent-pipeline.js";
import type { PipelineFileOptions } from "./open-options.js";
import type { PipelineSource } from "./pipeline-source.js";
import type { TextEncoders } from "./text-encoders.js";
import { UnetDenoiser } from "./unet-denoiser.js";

/** What differs between UNet pipelines. */
export interface UnetPipelineSpec {
  readonly openTextEncoders: (folder: PipelineFolder, options: PipelineFileOptions) => Promise<TextEncoders>;
  /** Overrides of scheduler_config.json. */
  readonly schedulerChanges?: Partial<DiffusionConfig>;
  readonly forceZerosForEmptyPrompt: boolean;
}

export async function unetPipelineParts(
  { family, folder, engine, options }: PipelineSource,
  { openTextEncoders, schedulerChanges, forceZerosForEmptyPrompt }: UnetPipelineSpec,
): Promise<LatentPipelineParts> {
  const config = await readComponentJson(folder, "unet", "config.json", unetConfigSchema);
  const weights = await openComponentWeights(folder, "unet", "diffusion_pytorch_model", options.variant);
  const sampling = await DiffusionSchedulers.open(folder, schedulerChanges);
  const codec = await openAutoencoderKl(folder, options);
  const textEncoders = await openTextEncoders(folder, options);
  const denoiser = new UnetDenoiser(engine, {
    family: family.name,
    stages: family.defaults.stages ?? [],
    config,
    weights,
    scheduler: sampling.scheduler,
    textLength: textEncoders.length,
    scaleFactor: codec.scaleFactor,
  });
  return {
    denoiser,
    weights,
    textEncoders,
    codec,
    forceZerosForEmptyPrompt,
    scheduler: (name) => sampling.named(name),
  };
}
