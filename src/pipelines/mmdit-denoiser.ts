/** @file The MM-DiT as a denoiser trained by flow matching. */

import { type Shape, sizeOf } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { embedText, type MmditConfig, mmdit, mmditWidth } from "../models/mmdit.js";
import { Weights } from "../models/weights.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/index.js";
import type { WeightSource } from "../weights/source.js";
import { conditioningOf } from "./inputs.js";
import type { LatentDenoiser } from "./latent-pipeline.js";
import type { DenoiserInputs, SoftTokenLayout } from "./pipeline.js";
import { prefixTaps } from "./soft-token-taps.js";

export interface MmditDenoiserOptions {
  /** Name of the model family. */
  readonly family: string;
  readonly config: MmditConfig;
  readonly weights: WeightSource;
  readonly scheduler: Scheduler;
  /** Tokens of a prompt's embeds. */
  readonly textLength: number;
  /** How many times the last of them counts; default 1. */
  readonly lastTokenCount?: number;
}

export class MmditDenoiser implements LatentDenoiser {
  readonly component = "transformer";
  readonly latentChannels: number;
  readonly latentMultiple: number;
  readonly sampleSize: number;
  readonly scheduler: Scheduler;
  readonly softTokenLayout: SoftTokenLayout;
  readonly conditioningShapes: LatentDenoiser["conditioningShapes"];

  constructor(
    readonly engine: Engine,
    private readonly options: MmditDenoiserOptions,
  ) {
    const { family, config, scheduler, textLength } = options;
    this.scheduler = scheduler;
    this.latentChannels = config.in_channels;
    this.latentMultiple = config.patch_size;
    this.sampleSize = config.sample_size;
    this.softTokenLayout = {
      family,
      placement: "prefix",
      layers: config.num_layers,
      rawWidth: config.joint_attention_dim,
      projectedWidth: mmditWidth(config),
      stages: null,
    };
    this.conditioningShapes = {
      prompt_embeds: [textLength, config.joint_attention_dim],
      pooled: [config.pooled_projection_dim],
    };
  }

  tokensPerPair(latentShape: Shape): number {
    return sizeOf(latentShape.slice(1)) / this.options.config.patch_size ** 2 + this.options.textLength;
  }

  denoise(graph: Graph, inputs: DenoiserInputs): Value {
    const { sample, timestep, softTokens } = inputs;
    const { config, weights, lastTokenCount = 1 } = this.options;
    const w = Weights.of(graph, weights);
    const promptEmbeds = conditioningOf(inputs, "prompt_embeds");
    const pooled = conditioningOf(inputs, "pooled");
    const taps = softTokens === null ? [] : prefixTaps(softTokens.values, promptEmbeds.dim(1));
    const velocity = graph.withTaps(taps, () =>
      mmdit(w, config, { sample, timestep, promptEmbeds, lastTokenCount, pooled }),
    );
    w.requireAllUsed();
    return velocity;
  }

  projectSoftTokens(graph: Graph, tokens: Value): Value {
    return embedText(Weights.of(graph, this.options.weights), this.options.config, tokens);
  }
}
