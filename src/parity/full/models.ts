/** @file The models of the full-size goldens: the denoiser alone, of the configuration that stands beside the golden. */

import { z } from "zod";
import { weightShapes } from "../../bench/synthetic.js";
import type { Shape } from "../../core/tensor.js";
import { input } from "../../graph/ops.js";
import { type MmditConfig, mmdit, mmditConfigSchema, mmditWidth } from "../../models/mmdit.js";
import { unet } from "../../models/unet.js";
import { type UnetConfig, unetConfigSchema } from "../../models/unet-config.js";
import { originalFamilies } from "../../pipelines/original-families.js";
import type { Denoiser } from "../../pipelines/pipeline.js";
import { Sd3Denoiser } from "../../pipelines/sd3-denoiser.js";
import { UnetDenoiser } from "../../pipelines/unet-denoiser.js";
import type { Engine } from "../../runtime/engine.js";
import { diffusionSchedulers, flowMatchEuler, noiseSchedule, parseDiffusionConfig } from "../../schedulers/index.js";
import type { WeightSource } from "../../weights/source.js";
import { positionTable } from "./position-table.js";

/** `<model>.json` beside its golden. */
export const fullModelSchema = z.object({
  config: z.discriminatedUnion("_class_name", [
    z.looseObject({ _class_name: z.literal("UNet2DConditionModel") }),
    z.looseObject({ _class_name: z.literal("SD3Transformer2DModel") }),
  ]),
  /** Shapes of the soft tokens and of their time table. */
  tokens: z.array(z.int().positive()),
  t_tokens: z.array(z.int().positive()),
});

/** What the goldens' README says of a model: the sizes of its inputs, and how it is trained. */
export interface FullModel {
  readonly weights: ReadonlyMap<string, Shape>;
  /** Tensors among them that are tables, not weights. */
  readonly buffers: ReadonlyMap<string, Float32Array>;
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  readonly dweight: number;
  open(engine: Engine, weights: WeightSource): Denoiser;
}

export function fullModel({ config }: z.infer<typeof fullModelSchema>): FullModel {
  switch (config._class_name) {
    case "UNet2DConditionModel":
      return sd15(unetConfigSchema.parse(config));
    case "SD3Transformer2DModel":
      return sd3(mmditConfigSchema.parse(config));
  }
}

function sd15(config: UnetConfig): FullModel {
  const diffusion = parseDiffusionConfig(originalFamilies.sd15.scheduler);
  return {
    weights: weightShapes((w, graph) => {
      const text = { states: input(graph, "prompt_embeds", [1, 1, config.crossWidth]), soft: null };
      unet(w, config, {
        sample: input(graph, "sample", [1, config.in_channels, 16, 16]),
        timestep: input(graph, "timestep", [1]),
        added: null,
        texts: { down: text, mid: text, up: text },
      });
    }),
    buffers: new Map(),
    latentShape: [config.in_channels, 16, 16],
    dweight: 10,
    open: (engine, weights) =>
      new UnetDenoiser(engine, {
        family: "sd15",
        stages: ["down", "mid"],
        config,
        weights,
        schedule: noiseSchedule(diffusion),
        scheduler: diffusionSchedulers.ddim(diffusion),
        textLength: 77,
        latentScale: 8,
      }),
  };
}

function sd3(config: MmditConfig): FullModel {
  const { joint_attention_dim: textWidth, pooled_projection_dim: pooledWidth, pos_embed_max_size: side } = config;
  const base = config.sample_size / config.patch_size;
  return {
    weights: weightShapes((w, graph) =>
      mmdit(w, config, {
        sample: input(graph, "sample", [1, config.in_channels, 32, 32]),
        timestep: input(graph, "timestep", [1]),
        promptEmbeds: input(graph, "prompt_embeds", [1, 1, textWidth]),
        pooled: input(graph, "pooled", [1, pooledWidth]),
        softTokens: null,
      }),
    ),
    buffers: new Map([["pos_embed.pos_embed", positionTable(side, base, mmditWidth(config))]]),
    latentShape: [config.in_channels, 32, 32],
    dweight: 0,
    open: (engine, weights) =>
      new Sd3Denoiser(engine, config, weights, flowMatchEuler({ num_train_timesteps: 1000, shift: 3 }), 96),
  };
}
