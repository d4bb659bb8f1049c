/** @file A UNet as a denoiser that predicts DDPM's noise or v. */

import { InputError } from "../core/errors.js";
import { floatTensor, type Shape, sizeOf } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Tap, Value } from "../graph/ir.js";
import { constant } from "../graph/ops.js";
import { unet } from "../models/unet.js";
import type { UnetConfig } from "../models/unet-config.js";
import { Weights } from "../models/weights.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/index.js";
import type { WeightSource } from "../weights/source.js";
import { conditioningOf } from "./inputs.js";
import type { LatentDenoiser } from "./latent-pipeline.js";
import type { DenoiserInputs, SoftTokenInput, SoftTokenLayout, UnetStage } from "./pipeline.js";
import { afterFirstTap } from "./soft-token-taps.js";

export interface UnetDenoiserOptions {
  /** Name of the model family. */
  readonly family: string;
  /** The stages that read soft tokens whose metadata names none. */
  readonly stages: readonly UnetStage[];
  readonly config: UnetConfig;
  readonly weights: WeightSource;
  readonly scheduler: Scheduler;
  /** Tokens of a prompt's embeds. */
  readonly textLength: number;
  /** Image pixels per latent pixel, along each side. */
  readonly scaleFactor: number;
}

/** Minimum sample_size of configurations from before diffusers 0.9, which give too small a value for 512-pixel models. */
const oldestSampleSize = 64;

export class UnetDenoiser implements LatentDenoiser {
  readonly component = "unet";
  readonly latentChannels: number;
  readonly latentMultiple = 1;
  readonly sampleSize: number;
  readonly scheduler: Scheduler;
  readonly softTokenLayout: SoftTokenLayout;
  readonly conditioningShapes: LatentDenoiser["conditioningShapes"];

  constructor(
    readonly engine: Engine,
    private readonly options: UnetDenoiserOptions,
  ) {
    const { config, family, stages, textLength } = options;
    const width = config.crossWidth;
    this.latentChannels = config.in_channels;
    this.sampleSize = sampleSizeOf(config);
    this.scheduler = options.scheduler;
    this.softTokenLayout = {
      family,
      placement: "after-first",
      layers: 1,
      rawWidth: width,
      projectedWidth: width,
      stages,
    };
    this.conditioningShapes = {
      prompt_embeds: [textLength, width],
      ...(config.pooledWidth !== null && { pooled: [config.pooledWidth] }),
    };
  }

  tokensPerPair(latentShape: Shape): number {
    return sizeOf(latentShape.slice(1)) + this.options.textLength;
  }

  denoise(graph: Graph, inputs: DenoiserInputs): Value {
    const { sample, timestep, conditioning, softTokens } = inputs;
    const { config, weights } = this.options;
    const w = Weights.of(graph, weights);
    const promptEmbeds = conditioningOf(inputs, "prompt_embeds");
    const { pooled } = conditioning;
    const taps = softTokens === null ? [] : this.softTokenTaps(w, softTokens);
    const added = pooled === undefined ? null : { pooled, timeIds: conditioning.time_ids ?? this.timeIds(sample) };
    const prediction = graph.withTaps(taps, () => unet(w, config, { sample, timestep, added, promptEmbeds }));
    w.requireAllUsed();
    return prediction;
  }

  /** Identity: soft tokens have the width of the text states. */
  projectSoftTokens(_graph: Graph, tokens: Value): Value {
    return tokens;
  }

  private softTokenTaps(w: Weights, { values, stages }: SoftTokenInput): readonly Tap[] {
    return readingStages(this.options.config, stages ?? []).map((stage) => afterFirstTap(w, values, stage));
  }

  /** SDXL's add_time_ids [1, 6] for an image that was not resized or cropped: original size, crop offset 0, target size. */
  private timeIds(sample: Value): Value {
    const { scaleFactor } = this.options;
    const [height, width] = [sample.dim(2) * scaleFactor, sample.dim(3) * scaleFactor];
    return constant(sample.graph, floatTensor([1, 6], Float32Array.of(height, width, 0, 0, height, width)));
  }
}

/** The `stages` that have cross-attention. Throws an InputError if none has, since no block would read the soft tokens. */
function readingStages({ down, mid, up }: UnetConfig, stages: readonly UnetStage[]): readonly UnetStage[] {
  const blocks = { down, mid: mid === null ? [] : [mid], up };
  const reading = stages.filter((stage) => blocks[stage].some(({ depths }) => depths?.some((depth) => depth > 0)));
  if (reading.length === 0) {
    throw new InputError(`this UNet reads no text in the stages of the soft tokens (${stages.join(", ")})`);
  }
  return reading;
}

function sampleSizeOf({ sample_size, _diffusers_version }: UnetConfig): number {
  if (sample_size == null) return oldestSampleSize;
  if (typeof sample_size !== "number") return sample_size[0];
  const isOld = /^0\.[0-8]\./.test(_diffusers_version ?? "");
  return isOld ? Math.max(sample_size, oldestSampleSize) : sample_size;
}
