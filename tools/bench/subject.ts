/** @file The model of the benchmarks: a mid-size MM-DiT with synthetic weights. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Generator } from "#softrepa/core/random.js";
import type { Shape } from "#softrepa/core/tensor.js";
import { input } from "#softrepa/graph/ops.js";
import { type MmditConfig, mmdit } from "#softrepa/models/mmdit.js";
import { MmditDenoiser } from "#softrepa/pipelines/mmdit-denoiser.js";
import type { Conditioning, Denoiser } from "#softrepa/pipelines/pipeline.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { flowMatchEuler } from "#softrepa/schedulers/index.js";
import { weightShapes, writeSyntheticWeights } from "#softrepa/testing/synthetic/weights.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";

/** A transformer of width 768 for SD3's prompt embeds and latents. */
function configuration(blocks: number): MmditConfig {
  return {
    _class_name: "SD3Transformer2DModel",
    sample_size: 64,
    patch_size: 2,
    in_channels: 16,
    out_channels: 16,
    num_layers: blocks,
    attention_head_dim: 64,
    num_attention_heads: 12,
    joint_attention_dim: 4096,
    caption_projection_dim: 768,
    pooled_projection_dim: 2048,
    pos_embed_max_size: 96,
    dual_attention_layers: [],
    qk_norm: null,
  };
}

/** 77 tokens each of CLIP and T5. */
const textLength = 154;

/** The folder that caches synthetic weights between runs. */
export const cacheFolder = process.env.SOFTREPA_CACHE ?? join("out", "bench");

/** Opens a denoiser with `blocks` blocks, whose weights are written on first use. */
export async function benchDenoiser(engine: Engine, blocks: number): Promise<MmditDenoiser> {
  const config = configuration(blocks);
  const file = join(cacheFolder, `bench-mmdit-768x${blocks}.safetensors`);
  if (!existsSync(file)) {
    const shapes = weightShapes((w, graph) =>
      mmdit(w, config, {
        sample: input(graph, "sample", [1, config.in_channels, 2, 2]),
        timestep: input(graph, "timestep", [1]),
        promptEmbeds: input(graph, "prompt_embeds", [1, 1, config.joint_attention_dim]),
        pooled: input(graph, "pooled", [1, config.pooled_projection_dim]),
      }),
    );
    await writeSyntheticWeights(file, shapes);
  }
  return new MmditDenoiser(engine, {
    family: "sd3",
    config,
    weights: await openSafetensors(file),
    scheduler: flowMatchEuler({ shift: 3 }),
    textLength,
  });
}

/** Random conditioning of `count` prompts. */
export function randomConditioning(denoiser: Denoiser, count: number, random: Generator): Conditioning {
  const entries = Object.entries(denoiser.conditioningShapes);
  return Object.fromEntries(entries.map(([name, shape]: [string, Shape]) => [name, random.normal([count, ...shape])]));
}
