/** @file The networks that benchmarks run, with synthetic weights in a cache folder. */

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Graph } from "../graph/graph.js";
import { input } from "../graph/ops.js";
import { type MmditConfig, mmdit } from "../models/mmdit.js";
import type { Weights } from "../models/weights.js";
import { openSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import { weightShapes, writeSyntheticWeights } from "./synthetic.js";

/** A mid-size MM-DiT: 12 blocks 768 wide, the text stream of SD3. */
export const midSizeMmdit: MmditConfig = {
  _class_name: "SD3Transformer2DModel",
  sample_size: 64,
  patch_size: 2,
  in_channels: 16,
  out_channels: 16,
  num_layers: 12,
  attention_head_dim: 64,
  num_attention_heads: 12,
  joint_attention_dim: 4096,
  caption_projection_dim: 768,
  pooled_projection_dim: 2048,
  pos_embed_max_size: 96,
  dual_attention_layers: [],
  qk_norm: null,
};

/** Latent side 64 makes 1024 image tokens; 77 CLIP and 77 T5 tokens of text. */
export const midSizeLatents = [16, 64, 64] as const;
export const midSizeText = 154;

/** Builds the transformer on inputs of the bench's sizes, for `texts` texts. */
export function buildMidSize(w: Weights, graph: Graph, texts: number) {
  return mmdit(w, midSizeMmdit, {
    sample: input(graph, "sample", [1, ...midSizeLatents]),
    timestep: input(graph, "timestep", [1]),
    promptEmbeds: input(graph, "prompt_embeds", [texts, midSizeText, midSizeMmdit.joint_attention_dim]),
    pooled: input(graph, "pooled", [texts, midSizeMmdit.pooled_projection_dim]),
    softTokens: null,
  });
}

/** Its weights, written on first use. */
export async function midSizeWeights(): Promise<WeightSource> {
  const cache = process.env.SOFTREPA_CACHE ?? join(homedir(), ".cache", "softrepa");
  const file = join(cache, "bench-mmdit-768x12.safetensors");
  if (!existsSync(file))
    await writeSyntheticWeights(
      file,
      weightShapes((w, graph) => buildMidSize(w, graph, 1)),
    );
  return openSafetensors(file);
}
