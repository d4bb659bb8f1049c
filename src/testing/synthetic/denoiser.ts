/** @file Denoisers with synthetic weights, for any configuration. */

import { z } from "zod";
import type { Shape } from "../../core/tensor.js";
import { sd3 } from "../../families/sd3.js";
import { sd15 } from "../../families/sd15.js";
import { sdxl } from "../../families/sdxl.js";
import { input } from "../../graph/ops.js";
import { type MmditConfig, mmdit, mmditConfigSchema, mmditWidth } from "../../models/mmdit.js";
import { unet } from "../../models/unet.js";
import { type UnetConfig, unetConfigSchema } from "../../models/unet-config.js";
import { MmditDenoiser } from "../../pipelines/mmdit-denoiser.js";
import type { Denoiser, UnetStage } from "../../pipelines/pipeline.js";
import { UnetDenoiser } from "../../pipelines/unet-denoiser.js";
import type { Engine } from "../../runtime/engine.js";
import { diffusionSchedulers, flowMatchEuler, parseDiffusionConfig } from "../../schedulers/index.js";
import type { WeightSource } from "../../weights/source.js";
import { positionTable } from "./position-table.js";
import { weightShapes } from "./weights.js";

/** The config.json of a denoiser, discriminated by its class. */
export const denoiserConfigSchema = z.discriminatedUnion("_class_name", [
  z.looseObject({ _class_name: z.literal("UNet2DConditionModel") }),
  z.looseObject({ _class_name: z.literal("SD3Transformer2DModel") }),
]);
export type DenoiserConfig = z.infer<typeof denoiserConfigSchema>;

export interface SyntheticDenoiser {
  readonly weights: ReadonlyMap<string, Shape>;
  /** Values of the tensors that are tables, not weights. */
  readonly buffers: ReadonlyMap<string, Float32Array>;
  readonly latentChannels: number;
  open(engine: Engine, weights: WeightSource): Denoiser;
}

export interface SyntheticDenoiserOptions {
  /** Tokens of a prompt. */
  readonly textLength: number;
  /** UNet stages that read soft tokens. */
  readonly stages: readonly UnetStage[];
}

export function syntheticDenoiser(config: DenoiserConfig, options: SyntheticDenoiserOptions): SyntheticDenoiser {
  switch (config._class_name) {
    case "UNet2DConditionModel":
      return ofUnet(unetConfigSchema.parse(config), options);
    case "SD3Transformer2DModel":
      return ofMmdit(mmditConfigSchema.parse(config), options);
  }
}

function ofUnet(config: UnetConfig, { textLength, stages }: SyntheticDenoiserOptions): SyntheticDenoiser {
  const diffusion = parseDiffusionConfig(sd15.singleFile.scheduler);
  return {
    weights: weightShapes((w, graph) => {
      const added = config.pooledWidth && {
        pooled: input(graph, "pooled", [1, config.pooledWidth]),
        timeIds: input(graph, "time_ids", [1, 6]),
      };
      unet(w, config, {
        sample: input(graph, "sample", [1, config.in_channels, 16, 16]),
        timestep: input(graph, "timestep", [1]),
        added: added || null,
        promptEmbeds: input(graph, "prompt_embeds", [1, 1, config.crossWidth]),
      });
    }),
    buffers: new Map(),
    latentChannels: config.in_channels,
    open: (engine, weights) =>
      new UnetDenoiser(engine, {
        family: config.pooledWidth === null ? sd15.name : sdxl.name,
        stages,
        config,
        weights,
        scheduler: diffusionSchedulers.ddim(diffusion),
        textLength,
        scaleFactor: 8,
      }),
  };
}

function ofMmdit(config: MmditConfig, { textLength }: SyntheticDenoiserOptions): SyntheticDenoiser {
  const { joint_attention_dim: textWidth, pooled_projection_dim: pooledWidth, pos_embed_max_size: side } = config;
  const base = config.sample_size / config.patch_size;
  return {
    weights: weightShapes((w, graph) =>
      mmdit(w, config, {
        sample: input(graph, "sample", [1, config.in_channels, config.patch_size, config.patch_size]),
        timestep: input(graph, "timestep", [1]),
        promptEmbeds: input(graph, "prompt_embeds", [1, 1, textWidth]),
        pooled: input(graph, "pooled", [1, pooledWidth]),
      }),
    ),
    buffers: new Map([["pos_embed.pos_embed", positionTable(side, base, mmditWidth(config))]]),
    latentChannels: config.in_channels,
    open: (engine, weights) =>
      new MmditDenoiser(engine, {
        family: sd3.name,
        config,
        weights,
        scheduler: flowMatchEuler(sd3.singleFile.scheduler),
        textLength,
      }),
  };
}
