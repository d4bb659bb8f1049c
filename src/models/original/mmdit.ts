/** @file The MM-DiT of Stable Diffusion 3 and 3.5 with its original key names (diffusers loaders/single_file_utils.py). */

import type { z } from "zod";
import { InputError } from "../../core/errors.js";
import { shapeOf, type WeightSource } from "../../weights/source.js";
import { type Dialect, split, swap, translateKeys } from "../dialect.js";
import type { mmditConfigSchema } from "../mmdit.js";
import { countNumbered, hasSubtree, headCount, type OriginalNetwork, requiredShape } from "./network.js";

/** Head width of models without query norms, whose shape would give it. */
const headWidth = 64;

/** Queries, keys and values are one matrix; final modulations output the shift first, in diffusers the scale. */
function mmditDialect(lastBlock: number): Dialect {
  return [
    [/^pos_embed$/, "pos_embed.pos_embed"],
    [/^x_embedder\.proj\./, "pos_embed.proj."],
    [/^t_embedder\.mlp\.0\./, "time_text_embed.timestep_embedder.linear_1."],
    [/^t_embedder\.mlp\.2\./, "time_text_embed.timestep_embedder.linear_2."],
    [/^y_embedder\.mlp\.0\./, "time_text_embed.text_embedder.linear_1."],
    [/^y_embedder\.mlp\.2\./, "time_text_embed.text_embedder.linear_2."],
    [/^final_layer\.linear\./, "proj_out."],
    [/^final_layer\.adaLN_modulation\.1\./, swap("norm_out.linear.")],
    [/^joint_blocks\./, "transformer_blocks."],
    [
      new RegExp(`^transformer_blocks\\.${lastBlock}\\.context_block\\.adaLN_modulation\\.1\\.`),
      swap(`transformer_blocks.${lastBlock}.norm1_context.linear.`),
    ],
    [/\.x_block\.adaLN_modulation\.1\./, ".norm1.linear."],
    [/\.context_block\.adaLN_modulation\.1\./, ".norm1_context.linear."],
    [/\.x_block\.(attn2?)\.qkv\./, split(".$1.to_q.", ".$1.to_k.", ".$1.to_v.")],
    [/\.context_block\.attn\.qkv\./, split(".attn.add_q_proj.", ".attn.add_k_proj.", ".attn.add_v_proj.")],
    [/\.x_block\.(attn2?)\.ln_([qk])\./, ".$1.norm_$2."],
    [/\.context_block\.attn\.ln_([qk])\./, ".attn.norm_added_$1."],
    [/\.x_block\.(attn2?)\.proj\./, ".$1.to_out.0."],
    [/\.context_block\.attn\.proj\./, ".attn.to_add_out."],
    [/\.x_block\.mlp\.fc1\./, ".ff.net.0.proj."],
    [/\.x_block\.mlp\.fc2\./, ".ff.net.2."],
    [/\.context_block\.mlp\.fc1\./, ".ff_context.net.0.proj."],
    [/\.context_block\.mlp\.fc2\./, ".ff_context.net.2."],
  ];
}

/** Reads the network under `model.diffusion_model.` of an original checkpoint; `sampleSize` is the side of its latents. */
export function originalMmdit(source: WeightSource, sampleSize: number): OriginalNetwork {
  const weights = translateKeys(source, mmditDialect(countNumbered(source, "joint_blocks.") - 1));
  return { config: mmditConfig(weights, sampleSize), weights };
}

function mmditConfig(weights: WeightSource, sampleSize: number): OriginalNetwork["config"] {
  const [width, channels, patch] = requiredShape(weights, "pos_embed.proj.weight", 4);
  const [, positions] = requiredShape(weights, "pos_embed.pos_embed", 3);
  const [captionWidth, textWidth] = requiredShape(weights, "context_embedder.weight", 2);
  const [, pooledWidth] = requiredShape(weights, "time_text_embed.text_embedder.linear_1.weight", 2);
  const [outputs] = requiredShape(weights, "proj_out.weight", 2);
  const side = Math.sqrt(positions);
  if (!Number.isInteger(side)) {
    throw new InputError(`${weights.origin}: a table of ${positions} positions is not square`);
  }
  const layers = countNumbered(weights, "transformer_blocks.");
  const normed = shapeOf(weights, "transformer_blocks.0.attn.norm_q.weight");
  const head = normed?.[0] ?? headWidth;
  const config: z.input<typeof mmditConfigSchema> = {
    _class_name: "SD3Transformer2DModel",
    sample_size: sampleSize,
    patch_size: patch,
    in_channels: channels,
    out_channels: outputs / patch ** 2,
    num_layers: layers,
    attention_head_dim: head,
    num_attention_heads: headCount(weights, width, head),
    joint_attention_dim: textWidth,
    caption_projection_dim: captionWidth,
    pooled_projection_dim: pooledWidth,
    pos_embed_max_size: side,
    dual_attention_layers: Array.from({ length: layers }, (_, index) => index).filter((index) =>
      hasSubtree(weights, `transformer_blocks.${index}.attn2.`),
    ),
    qk_norm: normed === undefined ? null : "rms_norm",
  };
  return config;
}
