/** @file The UNet of Stable Diffusion 1.5 and SDXL with its original key names (diffusers loaders/single_file_utils.py). */

import { shapeOf, type WeightSource } from "../../weights/source.js";
import { type Dialect, translateKeys } from "../dialect.js";
import { countNumbered, hasSubtree, headCount, type OriginalNetwork, requiredShape } from "./network.js";

/** Configuration that cannot be read from the shapes. */
export interface UnetFamily {
  /** Side of the latents. */
  readonly sampleSize: number;
  /** Number of heads (Stable Diffusion 1.5) or width of each head (SDXL), the same for every attention. */
  readonly heads: { readonly count: number } | { readonly width: number };
}

/**
 * Input block 0 is the first convolution; then each level has `layers` blocks and, except for the last, a downsampler as one
 * more block. Each level has `layers + 1` output blocks; an upsampler is part of its level's last one.
 */
function unetDialect(layers: number): Dialect {
  const stride = layers + 1;
  const down = (index: string) => {
    const block = Number(index) - 1;
    return { level: Math.floor(block / stride), layer: block % stride };
  };
  const up = (index: string) => ({ level: Math.floor(Number(index) / stride), layer: Number(index) % stride });
  return [
    [/^time_embed\.0\./, "time_embedding.linear_1."],
    [/^time_embed\.2\./, "time_embedding.linear_2."],
    [/^label_emb\.0\.0\./, "add_embedding.linear_1."],
    [/^label_emb\.0\.2\./, "add_embedding.linear_2."],
    [/^out\.0\./, "conv_norm_out."],
    [/^out\.2\./, "conv_out."],
    [/^input_blocks\.0\.0\./, "conv_in."],
    [/^input_blocks\.(\d+)\.0\.op\./, (_, index) => `down_blocks.${down(index).level}.downsamplers.0.conv.`],
    [/^input_blocks\.(\d+)\.0\./, (_, index) => `down_blocks.${down(index).level}.resnets.${down(index).layer}.`],
    [/^input_blocks\.(\d+)\.1\./, (_, index) => `down_blocks.${down(index).level}.attentions.${down(index).layer}.`],
    [/^middle_block\.0\./, "mid_block.resnets.0."],
    [/^middle_block\.1\./, "mid_block.attentions.0."],
    [/^middle_block\.2\./, "mid_block.resnets.1."],
    [/^output_blocks\.(\d+)\.[12]\.conv\./, (_, index) => `up_blocks.${up(index).level}.upsamplers.0.conv.`],
    [/^output_blocks\.(\d+)\.0\./, (_, index) => `up_blocks.${up(index).level}.resnets.${up(index).layer}.`],
    [/^output_blocks\.(\d+)\.1\./, (_, index) => `up_blocks.${up(index).level}.attentions.${up(index).layer}.`],
    [/\.in_layers\.0\./, ".norm1."],
    [/\.in_layers\.2\./, ".conv1."],
    [/\.emb_layers\.1\./, ".time_emb_proj."],
    [/\.out_layers\.0\./, ".norm2."],
    [/\.out_layers\.3\./, ".conv2."],
    [/\.skip_connection\./, ".conv_shortcut."],
  ];
}

/** Reads the network under `model.diffusion_model.` of an original checkpoint. */
export function originalUnet(source: WeightSource, family: UnetFamily): OriginalNetwork {
  const weights = translateKeys(source, unetDialect(layersPerLevel(source)));
  return { config: unetConfig(weights, family), weights };
}

/** Counts the blocks before the first downsampler. */
function layersPerLevel(source: WeightSource): number {
  const blocks = countNumbered(source, "input_blocks.");
  for (let index = 1; index < blocks; index++) {
    if (hasSubtree(source, `input_blocks.${index}.0.op.`)) return index - 1;
  }
  return Math.max(blocks - 1, 1);
}

function unetConfig(weights: WeightSource, { sampleSize, heads }: UnetFamily): OriginalNetwork["config"] {
  const levels = Array.from({ length: countNumbered(weights, "down_blocks.") }, (_, level) => level);
  const widths = levels.map((level) => requiredShape(weights, `down_blocks.${level}.resnets.0.conv1.weight`, 4)[0]);
  const attends = (block: string) => hasSubtree(weights, `${block}.attentions.`);
  const depth = (block: string) => countNumbered(weights, `${block}.attentions.0.transformer_blocks.`);
  const down = levels.map((level) => `down_blocks.${level}`);
  // The middle block has the depth of the last level, even if that has no attention.
  const depths = down.map((block, level) => depth(level === levels.length - 1 ? "mid_block" : block) || 1);
  const middle = "mid_block.attentions.0.transformer_blocks.0";
  const addition = shapeOf(weights, "add_embedding.linear_1.weight");
  return {
    _class_name: "UNet2DConditionModel",
    sample_size: sampleSize,
    in_channels: requiredShape(weights, "conv_in.weight", 4)[1],
    out_channels: requiredShape(weights, "conv_out.weight", 4)[0],
    block_out_channels: widths,
    layers_per_block: countNumbered(weights, "down_blocks.0.resnets."),
    down_block_types: down.map((block) => (attends(block) ? "CrossAttnDownBlock2D" : "DownBlock2D")),
    up_block_types: levels.map((level) => (attends(`up_blocks.${level}`) ? "CrossAttnUpBlock2D" : "UpBlock2D")),
    mid_block_type: "UNetMidBlock2DCrossAttn",
    transformer_layers_per_block: depths.every((layers) => layers === depths[0]) ? depths[0] : depths,
    cross_attention_dim: requiredShape(weights, `${middle}.attn2.to_k.weight`, 2)[1],
    // diffusers uses this name for the number of heads, including levels without attention.
    attention_head_dim:
      "count" in heads
        ? heads.count
        : widths.map((width, level) =>
            attends(`down_blocks.${level}`) ? headCount(weights, width, heads.width) : Math.ceil(width / heads.width),
          ),
    use_linear_projection: shapeOf(weights, "mid_block.attentions.0.proj_in.weight")?.length === 2,
    norm_num_groups: 32,
    ...(addition === undefined
      ? {}
      : {
          addition_embed_type: "text_time",
          addition_time_embed_dim: 256,
          projection_class_embeddings_input_dim: addition[1],
        }),
  };
}
