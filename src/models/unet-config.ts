/**
 * @file unet/config.json of UNet2DConditionModel (diffusers models/unets/unet_2d_condition.py), as used by Stable Diffusion 1,
 * 2 and XL and their derivatives. Lists per level become lists of blocks; unsupported settings are rejected.
 */

import { z } from "zod";
import { at } from "../core/lists.js";

/** A block of residual layers, each followed by a transformer if the block has cross-attention. */
export interface UnetBlock {
  readonly width: number;
  /** Residual layers. */
  readonly layers: number;
  /** Attention heads of its transformers. */
  readonly heads: number;
  /** Transformer layers after each residual layer; null if the block has no cross-attention. */
  readonly depths: readonly number[] | null;
}

const count = z.int().positive();
/** One value for all levels, or one per level. */
const perLevel = <T extends z.ZodType>(value: T) => z.union([value, z.array(value).min(1)]);

const odd = count.refine((size) => size % 2 === 1, "must be odd");

const unsupported = { error: "not supported" };
const off = z.literal(false, unsupported).nullish();
const absent = z.null(unsupported).optional();

const rawSchema = z.object({
  _class_name: z.literal("UNet2DConditionModel"),
  _diffusers_version: z.string().nullish(),
  sample_size: z.union([count, z.tuple([count, count])]).nullish(),
  in_channels: count.default(4),
  out_channels: count.default(4),
  down_block_types: z
    .array(z.enum(["DownBlock2D", "CrossAttnDownBlock2D"]))
    .default(["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]),
  mid_block_type: z.enum(["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"]).nullable().default("UNetMidBlock2DCrossAttn"),
  up_block_types: z
    .array(z.enum(["UpBlock2D", "CrossAttnUpBlock2D"]))
    .default(["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
  block_out_channels: z.tuple([count], count).default([320, 640, 1280, 1280]),
  layers_per_block: perLevel(count).default(2),
  downsample_padding: z.literal(1, unsupported).default(1),
  norm_num_groups: count.default(32),
  norm_eps: z.number().positive().default(1e-5),
  cross_attention_dim: perLevel(count).default(1280),
  transformer_layers_per_block: perLevel(perLevel(z.int().nonnegative())).default(1),
  reverse_transformer_layers_per_block: z.array(perLevel(z.int().nonnegative())).nullish(),
  /** The number of heads, despite its name (huggingface/diffusers#2011). */
  attention_head_dim: perLevel(count).default(8),
  num_attention_heads: absent,
  use_linear_projection: z.boolean().default(false),
  addition_embed_type: z.literal("text_time", unsupported).nullish(),
  addition_time_embed_dim: count.nullish(),
  projection_class_embeddings_input_dim: count.nullish(),
  time_embedding_dim: count.nullish(),
  conv_in_kernel: odd.default(3),
  conv_out_kernel: odd.default(3),
  act_fn: z.enum(["silu", "swish"], unsupported).default("silu"),
  attention_type: z.literal("default", unsupported).default("default"),
  center_input_sample: off,
  class_embed_type: absent,
  class_embeddings_concat: off,
  cross_attention_norm: absent,
  dual_cross_attention: off,
  encoder_hid_dim: absent,
  encoder_hid_dim_type: absent,
  flip_sin_to_cos: z.literal(true, unsupported).default(true),
  freq_shift: z.literal(0, unsupported).default(0),
  mid_block_only_cross_attention: off,
  mid_block_scale_factor: z.literal(1, unsupported).default(1),
  num_class_embeds: absent,
  only_cross_attention: perLevel(z.literal(false, unsupported)).default(false),
  resnet_out_scale_factor: z.literal(1, unsupported).default(1),
  resnet_skip_time_act: off,
  resnet_time_scale_shift: z.literal("default", unsupported).default("default"),
  time_cond_proj_dim: z.null({ error: "not supported (guidance distilled into the network)" }).optional(),
  time_embedding_act_fn: absent,
  time_embedding_type: z.literal("positional", unsupported).default("positional"),
  timestep_post_act: absent,
});

/**
 * Adds the down, middle (or null) and up blocks, the width of text states, and the width of the pooled text (null if it is not
 * used).
 */
export const unetConfigSchema = rawSchema.transform((raw, context) => {
  const wrong = (key: string, message: string) => {
    context.addIssue({ code: "custom", path: [key], message });
    return z.NEVER;
  };
  const widths = raw.block_out_channels;
  const levels = widths.length;
  const lists = ["down_block_types", "up_block_types", "layers_per_block", "attention_head_dim"] as const;
  for (const key of [...lists, "transformer_layers_per_block", "cross_attention_dim"] as const) {
    const value = raw[key];
    if (Array.isArray(value) && value.length !== levels)
      return wrong(key, `must have ${levels} entries, one per level`);
  }
  const crossWidth = singleValue(raw.cross_attention_dim);
  if (crossWidth === null) return wrong("cross_attention_dim", "different widths are not supported");
  if (widths.some((width) => width % raw.norm_num_groups !== 0)) {
    return wrong("norm_num_groups", "must divide all block_out_channels");
  }
  const layers = spread(raw.layers_per_block, levels);
  const heads = spread(raw.attention_head_dim, levels);
  const depths = spread(raw.transformer_layers_per_block, levels);
  const reversed = raw.reverse_transformer_layers_per_block;
  if (reversed ? reversed.length !== levels : depths.some(Array.isArray)) {
    return wrong("reverse_transformer_layers_per_block", `must have ${levels} entries, one per level`);
  }
  const down = raw.down_block_types.map((type, level): UnetBlock => {
    const block = { width: at(widths, level), layers: at(layers, level), heads: at(heads, level) };
    return { ...block, depths: type === "DownBlock2D" ? null : spread(at(depths, level), block.layers) };
  });
  const up = raw.up_block_types.map((type, index): UnetBlock => {
    const level = levels - 1 - index;
    const block = { width: at(widths, level), layers: at(layers, level) + 1, heads: at(heads, level) };
    const depth = reversed ? at(reversed, index) : at(depths, level);
    return { ...block, depths: type === "UpBlock2D" ? null : spread(depth, block.layers) };
  });
  for (const { layers, depths } of [...down, ...up]) {
    if (depths && depths.length < layers)
      return wrong("transformer_layers_per_block", `needs ${layers} entries per level`);
  }
  const middle = { width: at(widths, levels - 1), layers: 1, heads: at(heads, levels - 1) };
  const depth = spread(at(depths, levels - 1), 1).slice(0, 1);
  const mid: UnetBlock | null =
    raw.mid_block_type === null ? null : { ...middle, depths: raw.mid_block_type === "UNetMidBlock2D" ? null : depth };
  const pooledWidth = pooledWidthOf(raw);
  if (pooledWidth !== null && !(pooledWidth > 0)) {
    return wrong("projection_class_embeddings_input_dim", "must be more than six times addition_time_embed_dim");
  }
  return { ...raw, crossWidth, pooledWidth, down, mid, up };
});
export type UnetConfig = z.output<typeof unetConfigSchema>;

/** Width of the added embedding minus the six sizes; NaN if a setting is missing. */
function pooledWidthOf(raw: z.output<typeof rawSchema>): number | null {
  if (raw.addition_embed_type == null) return null;
  const { projection_class_embeddings_input_dim: all, addition_time_embed_dim: each } = raw;
  return (all ?? Number.NaN) - 6 * (each ?? Number.NaN);
}

function spread<T>(value: T | T[], count: number): T[] {
  return Array.isArray(value) ? value : Array.from({ length: count }, () => value);
}

/** The single distinct value of a list; null if there are several. */
function singleValue<T>(value: T | T[]): T | null {
  const values = new Set(spread(value, 1));
  const [first] = values;
  return values.size === 1 && first !== undefined ? first : null;
}
