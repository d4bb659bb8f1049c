/**
 * @file T5EncoderModel, the text encoder with relative positions (arXiv 1910.10683; version 1.1 has gated feed-forward
 * layers, arXiv 2002.05202; transformers models/t5/modeling_t5.py).
 */

import { z } from "zod";
import type { Value } from "../graph/ir.js";
import { add, attention, gather, gelu, integers, mul, relu, reshape, transpose } from "../graph/ops.js";
import type { Dialect } from "./dialect.js";
import { embedding, linear, rmsNorm } from "./layers.js";
import { module } from "./weights.js";

/** text_encoder_3/config.json; absent keys have transformers' defaults. */
export const t5ConfigSchema = z
  .object({
    vocab_size: z.int().positive().default(32128),
    d_model: z.int().positive().default(512),
    d_kv: z.int().positive().default(64),
    d_ff: z.int().positive().default(2048),
    num_layers: z.int().positive().default(6),
    num_heads: z.int().positive().default(8),
    relative_attention_num_buckets: z.int().min(4).default(32),
    relative_attention_max_distance: z.int().positive().default(128),
    layer_norm_epsilon: z.number().positive().default(1e-6),
    feed_forward_proj: z.enum(["relu", "gated-gelu"]).default("relu"),
  })
  .refine(
    ({ relative_attention_num_buckets: buckets, relative_attention_max_distance: distance }) =>
      distance > exactDistances(buckets),
    { path: ["relative_attention_max_distance"], message: "must be above the distances that have a bucket each" },
  );
export type T5Config = z.infer<typeof t5ConfigSchema>;

/** The token table is stored under one of two names, or under both. */
export const t5Dialect: Dialect = [[/^encoder\.embed_tokens\.weight$/, "shared.weight"]];

/** The second copy of the token table, and the decoder of a whole T5. */
export const t5IgnoredKeys: readonly RegExp[] = [/^encoder\.embed_tokens\.weight$/, /^decoder\./, /^lm_head\./];

/** Token ids, int64 [N, L] -> states [N, L, d_model]. Padding is not masked, as in diffusers. */
export const t5Encoder = module((w, config: T5Config, inputIds: Value): Value => {
  const encoder = w.scope("encoder");
  // All blocks share the first block's table.
  const bias = positionBias(encoder.scope("block.0.layer.0.SelfAttention"), config, inputIds.dim(1));
  let x = embedding(w.scope("shared"), inputIds, config.vocab_size, config.d_model);
  for (let index = 0; index < config.num_layers; index++) {
    x = encoderBlock(encoder.scope(`block.${index}`), config, x, bias);
  }
  return rmsNorm(encoder.scope("final_layer_norm"), x, config.layer_norm_epsilon);
});

const encoderBlock = module((w, config: T5Config, x: Value, bias: Value): Value => {
  const normal = rmsNorm(w.scope("layer.0.layer_norm"), x, config.layer_norm_epsilon);
  const attended = add(x, selfAttention(w.scope("layer.0.SelfAttention"), config, normal, bias));
  const normal2 = rmsNorm(w.scope("layer.1.layer_norm"), attended, config.layer_norm_epsilon);
  return add(attended, feedForward(w.scope("layer.1.DenseReluDense"), config, normal2));
});

/** Scores are not scaled, since T5's weight initialisation includes the scale. */
const selfAttention = module((w, config: T5Config, x: Value, bias: Value): Value => {
  const width = config.num_heads * config.d_kv;
  const of = (key: string) => linear(w.scope(key), x, width, { bias: false });
  const attended = attention(of("q"), of("k"), of("v"), { heads: config.num_heads, scale: 1, bias });
  return linear(w.scope("o"), attended, config.d_model, { bias: false });
});

const feedForward = module((w, config: T5Config, x: Value): Value => {
  const hidden = (key: string) => linear(w.scope(key), x, config.d_ff, { bias: false });
  const activated = {
    relu: () => relu(hidden("wi")),
    "gated-gelu": () => mul(gelu(hidden("wi_0"), "tanh"), hidden("wi_1")),
  }[config.feed_forward_proj]();
  return linear(w.scope("wo"), activated, config.d_model, { bias: false });
});

/** The relative position bias of every head, [1, heads, L, L]: a learnt value for each bucket of distances. */
const positionBias = module((w, config: T5Config, length: number): Value => {
  const { relative_attention_num_buckets: buckets, relative_attention_max_distance: maxDistance, num_heads } = config;
  const indices = Array.from({ length: length * length }, (_, index) => {
    const [query, key] = [Math.floor(index / length), index % length];
    return positionBucket(key - query, buckets, maxDistance);
  });
  const table = w.scope("relative_attention_bias").tensor("weight", [buckets, num_heads]);
  const perHead = transpose(gather(table, integers(w.graph, [length, length], indices)), [2, 0, 1]);
  return reshape(perHead, [1, num_heads, length, length]);
});

/**
 * The bucket of a distance: half of the buckets are for keys after the query, half for keys before it. Of each, the first half
 * has one distance per bucket; the others grow logarithmically up to `maxDistance`.
 */
export function positionBucket(distance: number, buckets: number, maxDistance: number): number {
  const half = Math.floor(buckets / 2);
  const exact = exactDistances(buckets);
  const first = distance > 0 ? half : 0;
  const length = Math.abs(distance);
  if (length < exact) return first + length;
  // Rounded where transformers' float32 tensors round: at distances on a border of two buckets, one bit decides.
  const logarithm = Math.fround(Math.log(Math.fround(length / exact)));
  const share = Math.fround(logarithm / Math.fround(Math.log(maxDistance / exact)));
  return first + Math.min(exact + Math.trunc(Math.fround(share * (half - exact))), half - 1);
}

/** Number of distances, from 0, with a bucket each. */
function exactDistances(buckets: number): number {
  return Math.floor(Math.floor(buckets / 2) / 2);
}
