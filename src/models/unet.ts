/**
 * @file UNet2DConditionModel, the denoiser of Stable Diffusion 1, 2 and XL (arXiv 2112.10752 and 2307.01952; diffusers
 * models/unets/unet_2d_condition.py).
 *
 * If all prompts share one image, everything before the first cross-attention is computed once: values keep a first axis of 1
 * until they are combined with a value that has one row per prompt.
 */

import type { Value } from "../graph/ir.js";
import { add, chunk, concat, expand, gelu, mul, reshape, slice, transpose, upsampleNearest } from "../graph/ops.js";
import { dims } from "../graph/shapes.js";
import { attend, convolution, groupNorm, layerNorm, linear, silu, timestepEmbedding } from "./layers.js";
import type { UnetBlock, UnetConfig } from "./unet-config.js";
import { module, type Weights } from "./weights.js";

export interface UnetInputs {
  /** Noisy latents [S, in_channels, h, w]; S is N, or 1 if all prompts share one image. */
  readonly sample: Value;
  /** [1] or [N], in 0..1000. */
  readonly timestep: Value;
  /** SDXL's added conditioning (addition_embed_type text_time); null for other models. */
  readonly added: AddedConditioning | null;
  /** Text states [N, L, cross-attention width]. */
  readonly promptEmbeds: Value;
}

export interface AddedConditioning {
  /** Pooled text [N, width]. */
  readonly pooled: Value;
  /** Original height and width, top and left of the crop, target height and width in pixels: [1 or N, 6]. */
  readonly timeIds: Value;
}

/** Inputs of every block besides the image. */
interface Conditions {
  /** Activated embedding of the timestep, [1 or N, width]. */
  readonly time: Value;
  /** Text states [N, L, cross-attention width]. */
  readonly text: Value;
}

/** Predicts the noise or v, [N, out_channels, h, w]. */
export const unet = module((w, config: UnetConfig, { sample, timestep, added, promptEmbeds }: UnetInputs): Value => {
  const [finest] = config.block_out_channels;
  const conditions = { time: silu(embedTime(w, config, timestep, added)), text: promptEmbeds };
  let x = convolution(w.scope("conv_in"), sample, finest, { kernel: config.conv_in_kernel });
  const skips = [x];
  for (const [level, block] of config.down.entries()) {
    const last = level === config.down.length - 1;
    const states = downBlock(w.scope(`down_blocks.${level}`), config, block, x, conditions, last);
    skips.push(...states);
    x = states.at(-1) ?? x;
  }
  if (config.mid !== null) x = midBlock(w.scope("mid_block"), config, config.mid, x, conditions);
  for (const [index, block] of config.up.entries()) {
    const joined = skips.splice(-block.layers).reverse();
    x = upBlock(w.scope(`up_blocks.${index}`), config, block, x, joined, conditions, skips.at(-1));
  }
  const normal = normSilu(w.scope("conv_norm_out"), config, x);
  return convolution(w.scope("conv_out"), normal, config.out_channels, { kernel: config.conv_out_kernel });
});

/** Returns the output of each residual layer and of the downsampler, the skip connections of the up blocks. */
const downBlock = module(
  (w, config: UnetConfig, block: UnetBlock, x: Value, conditions: Conditions, last: boolean): Value[] => {
    const states: Value[] = [];
    let y = x;
    for (let layer = 0; layer < block.layers; layer++) {
      y = residualAndText(w, config, block, layer, y, conditions);
      states.push(y);
    }
    if (!last) states.push(downsample(w.scope("downsamplers.0"), y));
    return states;
  },
);

const midBlock = module((w, config: UnetConfig, block: UnetBlock, x: Value, conditions: Conditions): Value => {
  const y = residualAndText(w, config, block, 0, x, conditions);
  return block.depths === null ? y : residual(w.scope("resnets.1"), config, y, block.width, conditions.time);
});

/** Concatenates `skips` to the inputs of its layers; upsamples the result to the size of `next`, the following skip, if any. */
const upBlock = module(
  (
    w,
    config: UnetConfig,
    block: UnetBlock,
    x: Value,
    skips: readonly Value[],
    conditions: Conditions,
    next: Value | undefined,
  ): Value => {
    let y = x;
    for (const [layer, skip] of skips.entries()) {
      y = residualAndText(w, config, block, layer, joinChannels(y, skip), conditions);
    }
    return next === undefined ? y : upsample(w.scope("upsamplers.0"), y, next);
  },
);

/** A residual layer and, if the block has cross-attention, the transformer after it. */
const residualAndText = module(
  (w, config: UnetConfig, { width, heads, depths }: UnetBlock, layer: number, x: Value, { time, text }: Conditions) => {
    const y = residual(w.scope(`resnets.${layer}`), config, x, width, time);
    const depth = depths?.[layer];
    return depth === undefined ? y : transformer(w.scope(`attentions.${layer}`), config, { heads, depth }, y, text);
  },
);

/** Embedding of the timestep, [1, width], or with SDXL's added conditioning, [N, width]. */
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
  const change = w.graph.tap(
    "out",
    convolution(w.scope("conv2"), normSilu(w.scope("norm2"), config, hidden), width, { kernel: 3 }),
  );
  return add(x.dim(1) === width ? x : convolution(w.scope("conv_shortcut"), x, width, { kernel: 1 }), change);
});

/** Recomputed in the backward pass, since it is cheap and its input is kept anyway. */
const normSilu = module((w, config: UnetConfig, x: Value): Value => {
  return x.graph.checkpoint(() => silu(groupNorm(w, x, config.norm_num_groups, config.norm_eps)));
});

/** Transformer2DModel: self-attention over pixels and cross-attention to the text, `depth` times. */
const transformer = module(
  (w, config: UnetConfig, size: { readonly heads: number; readonly depth: number }, x: Value, text: Value): Value => {
    const [, channels, height, columns] = dims(x, 4);
    const width = size.heads * Math.floor(channels / size.heads);
    const toTokens = (image: Value) =>
      transpose(reshape(image, [image.dim(0), image.dim(1), height * columns]), [0, 2, 1]);
    const toImage = (tokens: Value) =>
      reshape(transpose(tokens, [0, 2, 1]), [tokens.dim(0), tokens.dim(2), height, columns]);
    const normal = x.graph.checkpoint(() => groupNorm(w.scope("norm"), x, config.norm_num_groups, 1e-6));
    let tokens = config.use_linear_projection
      ? linear(w.scope("proj_in"), toTokens(normal), width)
      : toTokens(convolution(w.scope("proj_in"), normal, width, { kernel: 1 }));
    for (let index = 0; index < size.depth; index++) {
      tokens = transformerBlock(w.scope(`transformer_blocks.${index}`), size.heads, tokens, text);
    }
    const change = config.use_linear_projection
      ? toImage(linear(w.scope("proj_out"), tokens, channels))
      : convolution(w.scope("proj_out"), toImage(tokens), channels, { kernel: 1 });
    return add(x, w.graph.tap("out", change));
  },
);

/** BasicTransformerBlock: self-attention, attention to the text, perceptron. */
const transformerBlock = module((w, heads: number, x: Value, text: Value): Value => {
  const normal = (key: string, value: Value) => layerNorm(w.scope(key), value, 1e-5);
  return x.graph.checkpoint(() => {
    const afterSelf = add(x, selfAttention(w.scope("attn1"), heads, normal("norm1", x)));
    const afterCross = add(afterSelf, crossAttention(w.scope("attn2"), heads, normal("norm2", afterSelf), text));
    return add(afterCross, feedForward(w.scope("ff"), normal("norm3", afterCross)));
  });
});

const selfAttention = module((w, heads: number, x: Value): Value => {
  const width = x.dim(2);
  const of = (name: string) => w.graph.tap(name, linear(w.scope(`to_${name}`), x, width, { bias: false }));
  const attended = attend(of("q"), of("k"), of("v"), { heads });
  return w.graph.tap("out", linear(w.scope("to_out.0"), attended, width));
});

const crossAttention = module((w, heads: number, x: Value, text: Value): Value => {
  const width = x.dim(2);
  const query = withRows(linear(w.scope("to_q"), x, width, { bias: false }), text.dim(0));
  const of = (name: string) => w.graph.tap(name, linear(w.scope(`to_${name}`), text, width, { bias: false }));
  const attended = attend(w.graph.tap("q", query), of("k"), of("v"), { heads });
  return w.graph.tap("out", linear(w.scope("to_out.0"), attended, width));
});

/** GEGLU (arXiv 2002.05202): half of the hidden values gate the other half. */
const feedForward = module((w, x: Value): Value => {
  const width = x.dim(2);
  const [hidden, gate] = chunk(linear(w.scope("net.0.proj"), x, 8 * width), 2);
  return w.graph.tap("out", linear(w.scope("net.2"), mul(hidden, gelu(gate)), width));
});

/** Halves height and width, rounding up. */
const downsample = module((w, x: Value): Value => {
  return convolution(w.scope("conv"), x, x.dim(1), { kernel: 3, stride: 2 });
});

/** Doubles height and width, cropped to an odd size of `skip`. */
const upsample = module((w, x: Value, skip: Value): Value => {
  const large = upsampleNearest(x, 2);
  const fitted = slice(slice(large, 2, 0, skip.dim(2)), 3, 0, skip.dim(3));
  return convolution(w.scope("conv"), fitted, x.dim(1), { kernel: 3 });
});

/** Concatenates channels; either may have one row for all texts. */
function joinChannels(x: Value, skip: Value): Value {
  const texts = Math.max(x.dim(0), skip.dim(0));
  return concat([withRows(x, texts), withRows(skip, texts)], 1);
}

/** Expands one row to `count` texts. */
function withRows(x: Value, count: number): Value {
  return expand(x, [count, ...x.shape.slice(1)]);
}
