/**
 * @file UNet2DConditionModel, the denoiser of Stable Diffusion 1, 2 and XL (arXiv 2112.10752 and 2307.01952; diffusers
 * models/unets/unet_2d_condition.py), with soft text tokens.
 *
 * Where all texts look at one image, what is computed before the first text is read is computed once: values keep a first
 * axis of 1 until something with one row a text meets them.
 */

import type { Value } from "../graph/ir.js";
import { add, chunk, concat, expand, gelu, mul, reshape, slice, transpose, upsampleNearest } from "../graph/ops.js";
import { attend, convolution, groupNorm, layerNorm, linear, silu, timestepEmbedding } from "./layers.js";
import type { UnetBlock, UnetConfig } from "./unet-config.js";
import { module, type Weights } from "./weights.js";

export interface UnetInputs {
  /** Noisy latents [S, in_channels, h, w]; S is N, or 1 when all texts look at one image. */
  readonly sample: Value;
  /** [1] or [N], in 0..1000. */
  readonly timestep: Value;
  /** What SDXL is told besides (addition_embed_type text_time); null for others. */
  readonly added: AddedConditioning | null;
  /** What each part of the network reads. */
  readonly texts: { readonly down: TextTokens; readonly mid: TextTokens; readonly up: TextTokens };
}

export interface AddedConditioning {
  /** Pooled text [N, width]. */
  readonly pooled: Value;
  /** Original height and width, top and left of the crop, target height and width in pixels: [1 or N, 6]. */
  readonly timeIds: Value;
}

export interface TextTokens {
  /** [N, L, cross-attention width]. */
  readonly states: Value;
  /** Soft tokens [N, count, cross-attention width], which stand after the first text token; null for none. */
  readonly soft: Value | null;
}

/** The prediction [N, out_channels, h, w]. */
export const unet = module((w, config: UnetConfig, { sample, timestep, added, texts }: UnetInputs): Value => {
  const [finest] = config.down;
  const time = silu(embedTime(w, config, timestep, added));
  let x = convolution(w.scope("conv_in"), sample, finest.width, { kernel: config.conv_in_kernel });
  const skips = [x];
  for (const [level, block] of config.down.entries()) {
    const last = level === config.down.length - 1;
    const states = downBlock(w.scope(`down_blocks.${level}`), config, block, x, time, texts.down, last);
    skips.push(...states);
    x = states.at(-1) ?? x;
  }
  if (config.mid !== null) x = midBlock(w.scope("mid_block"), config, config.mid, x, time, texts.mid);
  for (const [index, block] of config.up.entries()) {
    const joined = skips.splice(-block.layers).reverse();
    x = upBlock(w.scope(`up_blocks.${index}`), config, block, x, joined, time, texts.up, skips.at(-1));
  }
  const normal = normSilu(w.scope("conv_norm_out"), config, x);
  return convolution(w.scope("conv_out"), normal, config.out_channels, { kernel: config.conv_out_kernel });
});

/** What each residual layer and the downsampling behind them give; the way up joins all of it. */
const downBlock = module(
  (w, config: UnetConfig, block: UnetBlock, x: Value, time: Value, text: TextTokens, last: boolean): Value[] => {
    const states: Value[] = [];
    let y = x;
    for (let layer = 0; layer < block.layers; layer++) {
      y = residual(w.scope(`resnets.${layer}`), config, y, block.width, time);
      y = transformer(w.scope(`attentions.${layer}`), config, block, layer, y, text);
      states.push(y);
    }
    if (!last) states.push(downsample(w.scope("downsamplers.0"), y));
    return states;
  },
);

const midBlock = module((w, config: UnetConfig, block: UnetBlock, x: Value, time: Value, text: TextTokens): Value => {
  const before = residual(w.scope("resnets.0"), config, x, block.width, time);
  if (block.depths === null) return before;
  const read = transformer(w.scope("attentions.0"), config, block, 0, before, text);
  return residual(w.scope("resnets.1"), config, read, block.width, time);
});

/** `skips` are joined to the residual layers' inputs; the result is as large as `next`, the skip after them, where there is one. */
const upBlock = module(
  (
    w,
    config: UnetConfig,
    block: UnetBlock,
    x: Value,
    skips: readonly Value[],
    time: Value,
    text: TextTokens,
    next: Value | undefined,
  ): Value => {
    let y = x;
    for (const [layer, skip] of skips.entries()) {
      y = residual(w.scope(`resnets.${layer}`), config, joinChannels(y, skip), block.width, time);
      y = transformer(w.scope(`attentions.${layer}`), config, block, layer, y, text);
    }
    return next === undefined ? y : upsample(w.scope("upsamplers.0"), y, next);
  },
);

/** Embedding of the timestep, [1, width], or with what SDXL adds, [N, width]. */
const embedTime = module((w, config: UnetConfig, timestep: Value, added: AddedConditioning | null): Value => {
  const [finest] = config.block_out_channels;
  const width = config.time_embedding_dim ?? 4 * finest;
  const perceptron = (scope: Weights, x: Value) =>
    linear(scope.scope("linear_2"), silu(linear(scope.scope("linear_1"), x, width)), width);
  const time = perceptron(w.scope("time_embedding"), timestepEmbedding(timestep, finest));
  if (added === null) return time;
  const { pooled, timeIds } = added;
  const sizes = timestepEmbedding(reshape(timeIds, [-1]), config.addition_time_embed_dim ?? 0);
  const flat = withRows(reshape(sizes, [timeIds.dim(0), -1]), pooled.dim(0));
  return add(time, perceptron(w.scope("add_embedding"), concat([pooled, flat], 1)));
});

/** ResnetBlock2D: x + conv(silu(norm(conv(silu(norm(x))) + time))). */
const residual = module((w, config: UnetConfig, x: Value, width: number, time: Value): Value => {
  const shift = reshape(linear(w.scope("time_emb_proj"), time, width), [time.dim(0), width, 1, 1]);
  const hidden = add(convolution(w.scope("conv1"), normSilu(w.scope("norm1"), config, x), width, { kernel: 3 }), shift);
  const change = convolution(w.scope("conv2"), normSilu(w.scope("norm2"), config, hidden), width, { kernel: 3 });
  return add(x.dim(1) === width ? x : convolution(w.scope("conv_shortcut"), x, width, { kernel: 1 }), change);
});

/** Computed again for the backward pass, since it is little work and what it reads is kept anyway. */
const normSilu = module((w, config: UnetConfig, x: Value): Value => {
  return x.graph.checkpoint(() => silu(groupNorm(w, x, config.norm_num_groups, config.norm_eps)));
});

/** Transformer2DModel behind a residual layer, where the block has one: self-attention over pixels and cross-attention to the text. */
const transformer = module(
  (w, config: UnetConfig, { heads, depths }: UnetBlock, layer: number, x: Value, text: TextTokens): Value => {
    const depth = depths?.[layer];
    if (depth === undefined) return x;
    const [, channels, height, columns] = x.shape;
    const width = heads * Math.floor(channels / heads);
    const toTokens = (image: Value) =>
      transpose(reshape(image, [image.dim(0), image.dim(1), height * columns]), [0, 2, 1]);
    const toImage = (tokens: Value) =>
      reshape(transpose(tokens, [0, 2, 1]), [tokens.dim(0), tokens.dim(2), height, columns]);
    const normal = x.graph.checkpoint(() => groupNorm(w.scope("norm"), x, config.norm_num_groups, 1e-6));
    let tokens = config.use_linear_projection
      ? linear(w.scope("proj_in"), toTokens(normal), width)
      : toTokens(convolution(w.scope("proj_in"), normal, width, { kernel: 1 }));
    for (let index = 0; index < depth; index++) {
      tokens = transformerBlock(w.scope(`transformer_blocks.${index}`), heads, tokens, text);
    }
    const change = config.use_linear_projection
      ? toImage(linear(w.scope("proj_out"), tokens, channels))
      : convolution(w.scope("proj_out"), toImage(tokens), channels, { kernel: 1 });
    return add(x, change);
  },
);

/** BasicTransformerBlock: self-attention, attention to the text, perceptron. */
const transformerBlock = module((w, heads: number, x: Value, text: TextTokens): Value => {
  const normal = (key: string, value: Value) => layerNorm(w.scope(key), value, 1e-5);
  return x.graph.checkpoint(() => {
    const afterSelf = add(x, selfAttention(w.scope("attn1"), heads, normal("norm1", x)));
    const afterCross = add(afterSelf, crossAttention(w.scope("attn2"), heads, normal("norm2", afterSelf), text));
    return add(afterCross, feedForward(w.scope("ff"), normal("norm3", afterCross)));
  });
});

const selfAttention = module((w, heads: number, x: Value): Value => {
  const width = x.dim(2);
  const of = (key: string) => linear(w.scope(key), x, width, { bias: false });
  return linear(w.scope("to_out.0"), attend(of("to_q"), of("to_k"), of("to_v"), { heads }), width);
});

const crossAttention = module((w, heads: number, x: Value, text: TextTokens): Value => {
  const width = x.dim(2);
  const query = withRows(linear(w.scope("to_q"), x, width, { bias: false }), text.states.dim(0));
  const of = (key: string) => projectText(w.scope(key), text, width);
  return linear(w.scope("to_out.0"), attend(query, of("to_k"), of("to_v"), { heads }), width);
});

/** Keys or values of the text; those of soft tokens come after the first, and only they need gradients. */
const projectText = module((w, { states, soft }: TextTokens, width: number): Value => {
  const plain = linear(w, states, width, { bias: false });
  if (soft === null) return plain;
  return concat([slice(plain, 1, 0, 1), linear(w, soft, width, { bias: false }), slice(plain, 1, 1)], 1);
});

/** GEGLU (arXiv 2002.05202): half of the hidden values gate the other half. */
const feedForward = module((w, x: Value): Value => {
  const width = x.dim(2);
  const [hidden, gate] = chunk(linear(w.scope("net.0.proj"), x, 8 * width), 2);
  return linear(w.scope("net.2"), mul(hidden, gelu(gate)), width);
});

/** Half the height and width, rounded up. */
const downsample = module((w, x: Value): Value => {
  return convolution(w.scope("conv"), x, x.dim(1), { kernel: 3, stride: 2 });
});

/** Twice the height and width, or one less where it is `skip` that had an odd number. */
const upsample = module((w, x: Value, skip: Value): Value => {
  const large = upsampleNearest(x, 2);
  const fitted = slice(slice(large, 2, 0, skip.dim(2)), 3, 0, skip.dim(3));
  return convolution(w.scope("conv"), fitted, x.dim(1), { kernel: 3 });
});

/** Channels of both, which may have one row for all texts. */
function joinChannels(x: Value, skip: Value): Value {
  const texts = Math.max(x.dim(0), skip.dim(0));
  return concat([withRows(x, texts), withRows(skip, texts)], 1);
}

/** One row for each of `count` texts. */
function withRows(x: Value, count: number): Value {
  return expand(x, [count, ...x.shape.slice(1)]);
}
