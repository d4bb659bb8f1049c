/**
 * @file SD3Transformer2DModel, the multimodal diffusion transformer of Stable Diffusion 3 and 3.5
 * (arXiv 2403.03206; diffusers models/transformers/transformer_sd3.py).
 */

import { z } from "zod";
import { InputError } from "../core/errors.js";
import type { Value } from "../graph/ir.js";
import { add, chunk, concat, expand, gelu, layerNormalization, mul, reshape, slice, transpose } from "../graph/ops.js";
import { attend, convolution, linear, rmsNorm, silu, timestepEmbedding } from "./layers.js";
import { module, type Weights } from "./weights.js";

/** transformer/config.json. */
export const mmditConfigSchema = z.object({
  _class_name: z.literal("SD3Transformer2DModel"),
  sample_size: z.int().positive(),
  patch_size: z.int().positive(),
  in_channels: z.int().positive(),
  out_channels: z.int().positive().nullish(),
  num_layers: z.int().positive(),
  attention_head_dim: z.int().positive(),
  num_attention_heads: z.int().positive(),
  joint_attention_dim: z.int().positive(),
  caption_projection_dim: z.int().positive(),
  pooled_projection_dim: z.int().positive(),
  pos_embed_max_size: z.int().positive(),
  dual_attention_layers: z.array(z.int().nonnegative()).default([]),
  qk_norm: z.enum(["rms_norm"]).nullish(),
});
export type MmditConfig = z.infer<typeof mmditConfigSchema>;

export interface MmditInputs {
  /** Noisy latents [S, channels, h, w]; S is N, or 1 if all prompts share one image. */
  readonly sample: Value;
  /** [1] or [N], in 0..1000. */
  readonly timestep: Value;
  /** Text states [N, L, joint_attention_dim]. */
  readonly promptEmbeds: Value;
  /**
   * How many times the last text token counts; default 1. Text tokens have no positions, so equal ones, such as the zeros in
   * place of an absent encoder, stay equal in every block. Counting one token that often in the attention is the same model up
   * to rounding.
   */
  readonly lastTokenCount?: number;
  /** [N, pooled_projection_dim]. */
  readonly pooled: Value;
}

/** Width of the image and text streams. */
export function mmditWidth(config: MmditConfig): number {
  return config.num_attention_heads * config.attention_head_dim;
}

/** Predicts the velocity [N, out_channels, h, w]. */
export const mmdit = module((w, config: MmditConfig, inputs: MmditInputs): Value => {
  const { sample, lastTokenCount = 1 } = inputs;
  const batch = inputs.promptEmbeds.dim(0);
  const embedded = patchEmbed(w.scope("pos_embed"), config, sample);
  let image = expand(embedded, [batch, embedded.dim(1), embedded.dim(2)]);
  let context = embedText(w, config, inputs.promptEmbeds);
  const conditioning = silu(embedTimeAndText(w.scope("time_text_embed"), config, inputs));
  for (let index = 0; index < config.num_layers; index++) {
    const kind = {
      last: index === config.num_layers - 1,
      dual: config.dual_attention_layers.includes(index),
      lastKeyCount: lastTokenCount,
    };
    const block = w.scope(`transformer_blocks.${index}`);
    ({ image, context } = jointBlock(block, config, { image, context }, conditioning, kind));
  }
  const [scale, shift] = chunk(modulation(w.scope("norm_out.linear"), conditioning, 2), 2);
  const normal = modulate(image, shift, scale);
  const channels = config.out_channels ?? config.in_channels;
  const patches = linear(w.scope("proj_out"), normal, config.patch_size ** 2 * channels);
  return unpatchify(patches, config.patch_size, sample.dim(2), sample.dim(3));
});

/** Projects text states to the text stream: [..., joint] -> [..., width]. */
export const embedText = module((w, config: MmditConfig, states: Value): Value => {
  return linear(w.scope("context_embedder"), states, config.caption_projection_dim);
});

interface Streams {
  readonly image: Value;
  readonly context: Value;
}

/** How the blocks of a network differ. */
interface BlockKind {
  /** The last block, whose text output is unused. */
  readonly last: boolean;
  /** Whether it has a second self-attention among the image tokens. */
  readonly dual: boolean;
  /** How many times the last text token counts. */
  readonly lastKeyCount: number;
}

/** One joint block; image and text have their own weights and meet in the attention. */
const jointBlock = module((w, config: MmditConfig, before: Streams, conditioning: Value, kind: BlockKind): Streams => {
  const { graph } = w;
  const { last, dual } = kind;
  const streams = { image: graph.tap("image", before.image), context: graph.tap("context", before.context) };
  // Modulations are small and need no gradient; outside the activation checkpoint they are not recomputed.
  const forImage = chunk(modulation(w.scope("norm1.linear"), conditioning, dual ? 9 : 6), dual ? 9 : 6);
  const forContext = chunk(modulation(w.scope("norm1_context.linear"), conditioning, last ? 2 : 6), last ? 2 : 6);
  return graph.checkpoint(() => {
    const [shift, scale, gate, shiftMlp, scaleMlp, gateMlp, ...forSecond] = forImage;
    // AdaLayerNormContinuous, used only in the last block, outputs the scale first.
    const [contextShift, contextScale] = forContext.length === 2 ? [forContext[1], forContext[0]] : forContext;
    const normal = {
      image: modulate(streams.image, shift, scale),
      context: modulate(streams.context, contextShift, contextScale),
    };
    const attended = jointAttention(w.scope("attn"), config, normal, kind);
    let image = add(streams.image, mul(gate, attended.image));
    if (forSecond.length === 3) {
      const [shift2, scale2, gate2] = forSecond;
      const own = selfAttention(w.scope("attn2"), config, modulate(streams.image, shift2, scale2));
      image = add(image, mul(gate2, own));
    }
    image = add(image, mul(gateMlp, feedForward(w.scope("ff"), modulate(image, shiftMlp, scaleMlp))));
    if (forContext.length === 2) return { image, context: streams.context };
    const [, , contextGate, contextShiftMlp, contextScaleMlp, contextGateMlp] = forContext;
    let context = add(streams.context, mul(contextGate, attended.context));
    const mixed = feedForward(w.scope("ff_context"), modulate(context, contextShiftMlp, contextScaleMlp));
    context = add(context, mul(contextGateMlp, mixed));
    return { image, context };
  });
});

const jointAttention = module((w, config: MmditConfig, { image, context }: Streams, kind: BlockKind): Streams => {
  const { last, lastKeyCount } = kind;
  const { graph } = w;
  const width = mmditWidth(config);
  const ofImage = (name: "q" | "k" | "v") => {
    const projected = linear(w.scope(`to_${name}`), image, width);
    return graph.tap(name, name === "v" ? projected : queryKeyNorm(w.scope(`norm_${name}`), config, projected));
  };
  const ofContext = (name: "q" | "k" | "v") => {
    const projected = linear(w.scope(`add_${name}_proj`), context, width);
    const normal = name === "v" ? projected : queryKeyNorm(w.scope(`norm_added_${name}`), config, projected);
    return graph.tap(`added_${name}`, normal);
  };
  const imageQuery = ofImage("q");
  const contextQuery = ofContext("q");
  const joined = attend(
    // The last block's text output is unused, so its queries are omitted.
    last ? imageQuery : concat([imageQuery, contextQuery], 1),
    concat([ofImage("k"), ofContext("k")], 1),
    concat([ofImage("v"), ofContext("v")], 1),
    { heads: config.num_attention_heads, lastKeyCount },
  );
  if (last) return { image: graph.tap("out", linear(w.scope("to_out.0"), joined, width)), context };
  const [imageOut, contextOut] = [slice(joined, 1, 0, image.dim(1)), slice(joined, 1, image.dim(1))];
  return {
    image: graph.tap("out", linear(w.scope("to_out.0"), imageOut, width)),
    context: graph.tap("added_out", linear(w.scope("to_add_out"), contextOut, width)),
  };
});

/** The second attention of SD3.5's dual blocks, among image tokens alone. */
const selfAttention = module((w, config: MmditConfig, x: Value): Value => {
  const width = mmditWidth(config);
  const query = queryKeyNorm(w.scope("norm_q"), config, linear(w.scope("to_q"), x, width));
  const key = queryKeyNorm(w.scope("norm_k"), config, linear(w.scope("to_k"), x, width));
  const value = linear(w.scope("to_v"), x, width);
  const { graph } = w;
  const heads = config.num_attention_heads;
  const attended = attend(graph.tap("q", query), graph.tap("k", key), graph.tap("v", value), { heads });
  return graph.tap("out", linear(w.scope("to_out.0"), attended, width));
});

/** RMS norm of every head's queries or keys, if the model has it. */
const queryKeyNorm = module((w, config: MmditConfig, x: Value): Value => {
  if (config.qk_norm == null) return x;
  const heads = reshape(x, [x.dim(0), x.dim(1), config.num_attention_heads, config.attention_head_dim]);
  return reshape(rmsNorm(w, heads, 1e-6), x.shape);
});

const feedForward = module((w, x: Value): Value => {
  const width = x.dim(-1);
  const hidden = gelu(linear(w.scope("net.0.proj"), x, 4 * width), "tanh");
  return w.graph.tap("out", linear(w.scope("net.2"), hidden, width));
});

/** `count` concatenated modulation vectors, [N, 1, count * width]. */
const modulation = module((w, conditioning: Value, count: number): Value => {
  const all = linear(w, conditioning, count * conditioning.dim(-1));
  return reshape(all, [all.dim(0), 1, all.dim(1)]);
});

/** Adaptive layer norm: LN(x) (1 + scale) + shift. */
function modulate(x: Value, shift: Value, scale: Value): Value {
  return add(mul(layerNormalization(x, 1e-6), add(scale, 1)), shift);
}

/** Embedding of timestep and pooled text, [N, width]. */
const embedTimeAndText = module((w, config: MmditConfig, { timestep, pooled }: MmditInputs): Value => {
  const perceptron = (scope: Weights, x: Value) => {
    const width = mmditWidth(config);
    return linear(scope.scope("linear_2"), silu(linear(scope.scope("linear_1"), x, width)), width);
  };
  const time = perceptron(w.scope("timestep_embedder"), timestepEmbedding(timestep, 256));
  return add(time, perceptron(w.scope("text_embedder"), pooled));
});

/** Patches [S, L, width] plus the centre crop of the position table. */
const patchEmbed = module((w, config: MmditConfig, sample: Value): Value => {
  const { patch_size: patch, pos_embed_max_size: table } = config;
  const width = mmditWidth(config);
  const [height, columns] = [sample.dim(2) / patch, sample.dim(3) / patch];
  if (!Number.isInteger(height) || !Number.isInteger(columns) || height > table || columns > table) {
    const limit = table * patch;
    throw new InputError(
      `latents of ${sample.dim(2)} x ${sample.dim(3)} do not fit this transformer: sizes must be multiples of ${patch}, at most ${limit}`,
    );
  }
  const patches = convolution(w.scope("proj"), sample, width, { kernel: patch, stride: patch, padding: 0 });
  const tokens = transpose(reshape(patches, [sample.dim(0), width, height * columns]), [0, 2, 1]);
  const positions = reshape(w.tensor("pos_embed", [1, table * table, width]), [table, table, width]);
  const [top, left] = [Math.floor((table - height) / 2), Math.floor((table - columns) / 2)];
  const centre = slice(slice(positions, 0, top, top + height), 1, left, left + columns);
  return add(tokens, reshape(centre, [1, height * columns, width]));
});

/** [N, h w, p p channels] -> [N, channels, h p, w p]. */
function unpatchify(patches: Value, patch: number, height: number, width: number): Value {
  const [rows, columns] = [height / patch, width / patch];
  const channels = patches.dim(2) / patch ** 2;
  const grid = reshape(patches, [patches.dim(0), rows, columns, patch, patch, channels]);
  return reshape(transpose(grid, [0, 5, 1, 3, 2, 4]), [patches.dim(0), channels, height, width]);
}
