/**
 * @file Stable Diffusion XL and its fine-tunings: two CLIP text encoders and a UNet that is told the image's size (arXiv
 * 2307.01952; diffusers pipeline_stable_diffusion_xl.py).
 */

import { InputError } from "../core/errors.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { concat } from "../graph/ops.js";
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

const defaults: FamilyDefaults = { steps: 30, guidanceScale: 7, dweight: 10, layers: 1, initialTokens: "noise" };

export async function openSdxl(
  folder: PipelineFolder,
  engine: Engine,
  options: OpenOptions,
): Promise<DiffusionPipeline> {
  for (const component of ["text_encoder", "text_encoder_2"]) {
    if (!folder.components.has(component)) {
      throw new InputError(`${folder.path} has no ${component}: only base models of Stable Diffusion XL are supported`);
    }
  }
  const config = await readComponentJson(folder, "unet", "config.json", unetConfigSchema);
  const weights = await openComponentWeights(folder, "unet", "diffusion_pytorch_model", options.variant);
  const sampling = await DiffusionSampling.open(folder);
  const autoencoder = await Autoencoder.open(folder, options);
  const texts = new TwoClips(await openClipPart(folder, "", options), await openClipPart(folder, "_2", options));
  const denoiser = new UnetDenoiser(engine, {
    family: "sdxl",
    stages: ["down", "mid"],
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
    // As diffusers' pipeline without that setting.
    zeroEmptyNegative: folder.settings.force_zeros_for_empty_prompt !== false,
    autoencoder,
    scheduler: (name) => sampling.named(name),
  });
}

/** The penultimate states of both encoders side by side, and the second one's projection of the whole text. */
class TwoClips implements TextEncoders {
  constructor(
    private readonly one: ClipPart,
    private readonly two: ClipPart,
  ) {}

  get length(): number {
    return this.one.tokenizer.maxLength;
  }

  build(graph: Graph, batch: number): { prompt_embeds: Value; pooled: Value } {
    const [one, two] = [buildClip(graph, this.one, batch), buildClip(graph, this.two, batch)];
    if (two.textEmbeds === null) {
      throw new InputError(`${this.two.weights.origin} has no text projection, which Stable Diffusion XL reads`);
    }
    const penultimate = [one, two].map(({ hiddenStates }) => hiddenStates[hiddenStates.length - 2]);
    return { prompt_embeds: concat(penultimate, 2), pooled: two.textEmbeds };
  }

  feeds(prompts: readonly string[]): NamedTensors {
    return { ...clipFeeds(this.one, prompts), ...clipFeeds(this.two, prompts) };
  }

  /** Both encoders cut alike. */
  truncation(prompt: string) {
    return cutOff(prompt, "CLIP", this.one.tokenizer);
  }
}
