/** @file The autoencoder with its original key names (diffusers loaders/single_file_utils.py). */

import type { z } from "zod";
import { shapeOf, type WeightSource } from "../../weights/source.js";
import type { autoencoderConfigSchema } from "../autoencoder-kl.js";
import { type Dialect, matrix, translateKeys } from "../dialect.js";
import { countNumbered, hasSubtree, type OriginalNetwork, requiredShape } from "./network.js";

/** The scaling of latents, which cannot be read from the shapes. */
export type LatentScaling = Required<Pick<z.input<typeof autoencoderConfigSchema>, "scaling_factor" | "shift_factor">>;

/** The original layout numbers the decoder's levels from the finest, diffusers in their order. */
function autoencoderDialect(levels: number): Dialect {
  const level = (index: string) => levels - 1 - Number(index);
  return [
    [/^(encoder|decoder)\.norm_out\./, "$1.conv_norm_out."],
    [/^encoder\.down\.(\d+)\.block\./, "encoder.down_blocks.$1.resnets."],
    [/^encoder\.down\.(\d+)\.downsample\./, "encoder.down_blocks.$1.downsamplers.0."],
    [/^decoder\.up\.(\d+)\.block\./, (_, index) => `decoder.up_blocks.${level(index)}.resnets.`],
    [/^decoder\.up\.(\d+)\.upsample\./, (_, index) => `decoder.up_blocks.${level(index)}.upsamplers.0.`],
    [/\.mid\.block_1\./, ".mid_block.resnets.0."],
    [/\.mid\.block_2\./, ".mid_block.resnets.1."],
    [/\.nin_shortcut\./, ".conv_shortcut."],
    [/\.mid\.attn_1\.norm\./, ".mid_block.attentions.0.group_norm."],
    [/\.mid\.attn_1\.([qkv])\.bias$/, ".mid_block.attentions.0.to_$1.bias"],
    [/\.mid\.attn_1\.proj_out\.bias$/, ".mid_block.attentions.0.to_out.0.bias"],
    [/\.mid\.attn_1\.([qkv])\.weight$/, matrix(".mid_block.attentions.0.to_$1.weight")],
    [/\.mid\.attn_1\.proj_out\.weight$/, matrix(".mid_block.attentions.0.to_out.0.weight")],
  ];
}

/** Reads the network under `first_stage_model.` of an original checkpoint. */
export function originalAutoencoder(source: WeightSource, scaling: LatentScaling): OriginalNetwork {
  const weights = translateKeys(source, autoencoderDialect(countNumbered(source, "decoder.up.")));
  return { config: autoencoderConfig(weights, scaling), weights };
}

function autoencoderConfig(weights: WeightSource, scaling: LatentScaling): OriginalNetwork["config"] {
  const levels = Array.from({ length: countNumbered(weights, "encoder.down_blocks.") }, (_, level) => level);
  const width = (level: number) => requiredShape(weights, `encoder.down_blocks.${level}.resnets.0.conv1.weight`, 4)[0];
  const config: z.input<typeof autoencoderConfigSchema> = {
    _class_name: "AutoencoderKL",
    in_channels: requiredShape(weights, "encoder.conv_in.weight", 4)[1],
    out_channels: requiredShape(weights, "decoder.conv_out.weight", 4)[0],
    latent_channels: requiredShape(weights, "decoder.conv_in.weight", 4)[1],
    down_block_types: levels.map(() => "DownEncoderBlock2D"),
    up_block_types: levels.map(() => "UpDecoderBlock2D"),
    block_out_channels: [width(0), ...levels.slice(1).map(width)],
    layers_per_block: countNumbered(weights, "encoder.down_blocks.0.resnets."),
    norm_num_groups: 32,
    use_quant_conv: shapeOf(weights, "quant_conv.weight") !== undefined,
    use_post_quant_conv: shapeOf(weights, "post_quant_conv.weight") !== undefined,
    mid_block_add_attention: hasSubtree(weights, "encoder.mid_block.attentions."),
    ...scaling,
  };
  return config;
}
