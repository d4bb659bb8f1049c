/**
 * @file AutoencoderKL, the image autoencoder of latent diffusion models (arXiv 2112.10752; diffusers
 * models/autoencoders/autoencoder_kl.py). The caller scales and shifts the latents.
 */

import { z } from "zod";
import type { Value } from "../graph/ir.js";
import { add, attention, chunk, reshape, transpose, upsampleNearest } from "../graph/ops.js";
import { dims } from "../graph/shapes.js";
import type { Dialect } from "./dialect.js";
import { clamp, convolution, groupNorm, linear, silu } from "./layers.js";
import { module } from "./weights.js";

/** vae/config.json; absent keys have diffusers' defaults. */
export const autoencoderConfigSchema = z
  .object({
    _class_name: z.literal("AutoencoderKL"),
    in_channels: z.int().positive().default(3),
    out_channels: z.int().positive().default(3),
    latent_channels: z.int().positive().default(4),
    down_block_types: z.array(z.literal("DownEncoderBlock2D")),
    up_block_types: z.array(z.literal("UpDecoderBlock2D")),
    /** Channels of the levels, finest first. */
    block_out_channels: z.tuple([z.int().positive()], z.int().positive()),
    layers_per_block: z.int().positive().default(1),
    norm_num_groups: z.int().positive().default(32),
    act_fn: z.literal("silu").default("silu"),
    use_quant_conv: z.boolean().default(true),
    use_post_quant_conv: z.boolean().default(true),
    mid_block_add_attention: z.boolean().default(true),
    scaling_factor: z.number().positive().default(0.18215),
    shift_factor: z.number().nullish(),
    /** Per-channel statistics are not supported: must be null. */
    latents_mean: z.null().optional(),
    latents_std: z.null().optional(),
  })
  .refine(
    ({ norm_num_groups, block_out_channels }) => block_out_channels.every((width) => width % norm_num_groups === 0),
    { path: ["norm_num_groups"], message: "must divide all block_out_channels" },
  );
export type AutoencoderConfig = z.infer<typeof autoencoderConfigSchema>;

/** Attention keys of older checkpoints. */
export const autoencoderDialect: Dialect = [
  [/(\.attentions\.\d+\.)query\./, "$1to_q."],
  [/(\.attentions\.\d+\.)key\./, "$1to_k."],
  [/(\.attentions\.\d+\.)value\./, "$1to_v."],
  [/(\.attentions\.\d+\.)proj_attn\./, "$1to_out.0."],
];

/** Keys of the other half, for graphs with only the encoder or the decoder. */
export const vaeEncoderIgnoredKeys: readonly RegExp[] = [/^decoder\./, /^post_quant_conv\./];
export const vaeDecoderIgnoredKeys: readonly RegExp[] = [/^encoder\./, /^quant_conv\./];

const normEpsilon = 1e-6;

/** Image pixels per latent pixel, along each side (diffusers' vae_scale_factor). */
export function vaeScale(config: AutoencoderConfig): number {
  return 2 ** (config.block_out_channels.length - 1);
}

/** Mean and log variance of the latents [N, latent_channels, h, w] of `image` [N, in_channels, H, W] in [-1, 1]. */
export const vaeEncoder = module((w, config: AutoencoderConfig, image: Value): { mean: Value; logvar: Value } => {
  const { latent_channels } = config;
  const features = encoder(w.scope("encoder"), config, image);
  const moments = config.use_quant_conv
    ? convolution(w.scope("quant_conv"), features, 2 * latent_channels, { kernel: 1 })
    : features;
  const [mean, logvar] = chunk(moments, 2, 1);
  return { mean, logvar: clamp(logvar, -30, 20) };
});

/** Decodes `latents` [N, latent_channels, h, w] to an image [N, out_channels, H, W]. */
export const vaeDecoder = module((w, config: AutoencoderConfig, latents: Value): Value => {
  const features = config.use_post_quant_conv
    ? convolution(w.scope("post_quant_conv"), latents, config.latent_channels, { kernel: 1 })
    : latents;
  return decoder(w.scope("decoder"), config, features);
});

const encoder = module((w, config: AutoencoderConfig, image: Value): Value => {
  const widths = config.block_out_channels;
  let x = convolution(w.scope("conv_in"), image, widths[0], { kernel: 3 });
  for (const [level, width] of widths.entries()) {
    x = downBlock(w.scope(`down_blocks.${level}`), config, x, width, level === widths.length - 1);
  }
  x = midBlock(w.scope("mid_block"), config, x);
  return outputLayer(w, config, x, 2 * config.latent_channels);
});

const decoder = module((w, config: AutoencoderConfig, features: Value): Value => {
  const [finest, ...coarser] = config.block_out_channels;
  const widths = [...coarser.toReversed(), finest];
  let x = convolution(w.scope("conv_in"), features, coarser.at(-1) ?? finest, { kernel: 3 });
  x = midBlock(w.scope("mid_block"), config, x);
  for (const [level, width] of widths.entries()) {
    x = upBlock(w.scope(`up_blocks.${level}`), config, x, width, level === widths.length - 1);
  }
  return outputLayer(w, config, x, config.out_channels);
});

const downBlock = module((w, config: AutoencoderConfig, x: Value, width: number, last: boolean): Value => {
  const y = residuals(w, config, x, width, config.layers_per_block);
  return last ? y : downsample(w.scope("downsamplers.0"), y);
});

const upBlock = module((w, config: AutoencoderConfig, x: Value, width: number, last: boolean): Value => {
  const y = residuals(w, config, x, width, config.layers_per_block + 1);
  return last ? y : upsample(w.scope("upsamplers.0"), y);
});

/** Norm, activation and convolution at the end of both halves. */
const outputLayer = module((w, config: AutoencoderConfig, x: Value, channels: number): Value => {
  return convolution(w.scope("conv_out"), normSilu(w.scope("conv_norm_out"), config, x), channels, { kernel: 3 });
});

const midBlock = module((w, config: AutoencoderConfig, x: Value): Value => {
  const width = x.dim(1);
  const before = residual(w.scope("resnets.0"), config, x, width);
  const attended = config.mid_block_add_attention ? selfAttention(w.scope("attentions.0"), config, before) : before;
  return residual(w.scope("resnets.1"), config, attended, width);
});

const residuals = module((w, config: AutoencoderConfig, x: Value, width: number, count: number): Value => {
  let y = x;
  for (let index = 0; index < count; index++) y = residual(w.scope(`resnets.${index}`), config, y, width);
  return y;
});

/** x + conv(silu(norm(conv(silu(norm(x)))))); if the width changes, x passes a 1x1 convolution. */
const residual = module((w, config: AutoencoderConfig, x: Value, width: number): Value => {
  const hidden = convolution(w.scope("conv1"), normSilu(w.scope("norm1"), config, x), width, { kernel: 3 });
  const change = convolution(w.scope("conv2"), normSilu(w.scope("norm2"), config, hidden), width, { kernel: 3 });
  return add(x.dim(1) === width ? x : convolution(w.scope("conv_shortcut"), x, width, { kernel: 1 }), change);
});

const normSilu = module((w, config: AutoencoderConfig, x: Value): Value => {
  return silu(groupNorm(w, x, config.norm_num_groups, normEpsilon));
});

/** x + attention among all pixels, with one head of all channels. */
const selfAttention = module((w, config: AutoencoderConfig, x: Value): Value => {
  const [batch, channels, height, width] = dims(x, 4);
  const normal = groupNorm(w.scope("group_norm"), x, config.norm_num_groups, normEpsilon);
  const pixels = transpose(reshape(normal, [batch, channels, height * width]), [0, 2, 1]);
  const of = (key: string) => linear(w.scope(key), pixels, channels);
  const attended = attention(of("to_q"), of("to_k"), of("to_v"), { heads: 1 });
  const mixed = transpose(linear(w.scope("to_out.0"), attended, channels), [0, 2, 1]);
  return add(x, reshape(mixed, x.shape));
});

/** Halves height and width; pads with zeros only at the bottom and right. */
const downsample = module((w, x: Value): Value => {
  return convolution(w.scope("conv"), x, x.dim(1), { kernel: 3, stride: 2, padding: [0, 0, 1, 1] });
});

const upsample = module((w, x: Value): Value => {
  return convolution(w.scope("conv"), upsampleNearest(x, 2), x.dim(1), { kernel: 3 });
});
