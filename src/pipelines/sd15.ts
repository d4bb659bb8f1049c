/**
 * @file Stable Diffusion 1 and 2 and their many fine-tunings: one CLIP text encoder and a UNet (diffusers
 * pipeline_stable_diffusion.py).
 */

import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { unetConfigSchema } from "../models/unet-config.js";
import type { Engine, NamedTensors } from "../runtime/engine.js";
import { Autoencoder } from "./autoencoder.js";
import { buildClip, type ClipPart, clipFeeds, cutOff, openClipPart } from "./clip-part.js";
import { openComponentWeights } from "./component-weights.js";
import { DiffusionSampling } from "./diffusion-sampling.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";
import { LatentPipeline } from "./latent-pipeline.js";
import type { OpenOptions } from "./open.js";
import type { DiffusionPipeline, FamilyDefaults } from "./pipeline.js";
import type { TextEncoders } from "./text-encoders.js";
import { UnetDenoiser } from "./unet-denoiser.js";

const defaults: FamilyDefaults = {
  steps: 30,
  guidanceScale: 7,
  dweight: 10,
  layers: 1,
  initialTokens: "empty-prompt",
};

export async function openSd15(
  folder: PipelineFolder,
  engine: Engine,
  options: OpenOptions,
): Promise<DiffusionPipeline> {
  const config = await readComponentJson(folder, "unet", "config.json", unetConfigSchema);
  const weights = await openComponentWeights(folder, "unet", "diffusion_pytorch_model", options.variant);
  // Whatever the file says: diffusers' pipeline changes both in files of old models.
  const sampling = await DiffusionSampling.open(folder, { steps_offset: 1, clip_sample: false });
  const autoencoder = await Autoencoder.open(folder, options);
  const texts = new SingleClip(await openClipPart(folder, "", options));
  const denoiser = new UnetDenoiser(engine, {
    family: "sd15",
    stages: ["down"],
    config,
    weights,
    scheduler: sampling.scheduler,
    textLength: texts.length,
    latentScale: autoencoder.scale,
  });
  return new LatentPipeline({
    origin: folder.path,
    defaults,
    denoiser,
    weights,
    texts,
    zeroEmptyNegative: false,
    autoencoder,
    scheduler: (name) => sampling.named(name),
  });
}

/** The last states of one encoder. */
class SingleClip implements TextEncoders {
  constructor(private readonly clip: ClipPart) {}

  get length(): number {
    return this.clip.tokenizer.maxLength;
  }

  build(graph: Graph, batch: number): { prompt_embeds: Value } {
    return { prompt_embeds: buildClip(graph, this.clip, batch).lastHiddenState };
  }

  feeds(prompts: readonly string[]): NamedTensors {
    return clipFeeds(this.clip, prompts);
  }

  truncation(prompt: string) {
    return cutOff(prompt, "CLIP", this.clip.tokenizer);
  }
}
