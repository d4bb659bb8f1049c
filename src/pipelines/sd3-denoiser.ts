/** @file Stable Diffusion 3's denoiser: MM-DiT and flow matching. */

import type { Shape } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { embedText, type MmditConfig, mmdit, mmditWidth } from "../models/mmdit.js";
import { Weights } from "../models/weights.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/index.js";
import type { WeightSource } from "../weights/source.js";
import type { LatentDenoiser } from "./latent-pipeline.js";
import type { DenoiserInputs, SoftTokenLayout } from "./pipeline.js";
import { prefixTaps } from "./soft-token-taps.js";

export class Sd3Denoiser implements LatentDenoiser {
  readonly component = "transformer";
  readonly latentChannels: number;
  readonly latentMultiple: number;
  readonly sampleSize: number;
  readonly softTokenLayout: SoftTokenLayout;
  readonly conditioningShapes: LatentDenoiser["conditioningShapes"];

  constructor(
    readonly engine: Engine,
    private readonly config: MmditConfig,
    private readonly weights: WeightSource,
    readonly scheduler: Scheduler,
    /** Tokens of a prompt's embeddings. */
    private readonly textLength: number,
    /** How many equal tokens the last of them stands for. */
    private readonly lastTokenCount = 1,
  ) {
    this.latentChannels = config.in_channels;
    this.latentMultiple = config.patch_size;
    this.sampleSize = config.sample_size;
    this.softTokenLayout = {
      family: "sd3",
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

  tokensAPair([, height, width]: Shape): number {
    return (height * width) / this.config.patch_size ** 2 + this.textLength;
  }

  denoise(graph: Graph, { sample, timestep, conditioning, softTokens }: DenoiserInputs): Value {
    const w = Weights.of(graph, this.weights);
    const { prompt_embeds: promptEmbeds, pooled } = conditioning;
    const taps = softTokens === null ? [] : prefixTaps(softTokens.values, promptEmbeds.dim(1));
    const { lastTokenCount } = this;
    const velocity = graph.withTaps(taps, () =>
      mmdit(w, this.config, { sample, timestep, promptEmbeds, lastTokenCount, pooled }),
    );
    w.requireAllUsed();
    return velocity;
  }

  projectSoftTokens(graph: Graph, tokens: Value): Value {
    return embedText(Weights.of(graph, this.weights), this.config, tokens);
  }
}
