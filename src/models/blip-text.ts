/** @file BLIP's BERT, with cross-attention to an image in every layer (arXiv 2201.12086, 1810.04805; BLIP models/med.py). */

import type { Value } from "../graph/ir.js";
import { add, attention, cast, expand, gelu, mul, reshape, slice, sub } from "../graph/ops.js";
import { dims } from "../graph/shapes.js";
import { embedding, layerNorm, linear } from "./layers.js";
import { module } from "./weights.js";

export interface BlipTextConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly positions: number;
}

export interface BlipTextInputs {
  /** Token ids, int64 [N, L]. */
  readonly inputIds: Value;
  /** 1 for text, 0 for padding, int64 [N, L]. */
  readonly attentionMask: Value;
  /** Image states, [N, patches, any width]. */
  readonly image: Value;
}

const normEpsilon = 1e-12;
/** Added to the scores of padding tokens, as in BERT; their softmax is exactly 0 in float32. */
const masked = -10000;

/** Returns the last layer's states, [N, L, width]. */
export const blipText = module(
  (w, config: BlipTextConfig, { inputIds, attentionMask, image }: BlipTextInputs): Value => {
    const [batch, length] = dims(inputIds, 2);
    const mask = mul(sub(1, cast(attentionMask, "float32")), masked);
    const bias = expand(reshape(mask, [batch, 1, 1, length]), [batch, 1, length, length]);
    let x = embedTokens(w.scope("embeddings"), config, inputIds);
    for (let index = 0; index < config.layers; index++) {
      x = textLayer(w.scope(`encoder.layer.${index}`), config, x, bias, image);
    }
    return x;
  },
);

/** Without token types, as in BLIP. */
const embedTokens = module((w, { width, vocabulary, positions }: BlipTextConfig, inputIds: Value): Value => {
  const tokens = embedding(w.scope("word_embeddings"), inputIds, vocabulary, width);
  const table = w.scope("position_embeddings").tensor("weight", [positions, width]);
  return layerNorm(w.scope("LayerNorm"), add(tokens, slice(table, 0, 0, inputIds.dim(1))), normEpsilon);
});

const textLayer = module((w, config: BlipTextConfig, x: Value, bias: Value, image: Value): Value => {
  const read = attend(w.scope("attention"), config, x, x, bias);
  const seen = attend(w.scope("crossattention"), config, read, image);
  return feedForward(w, config, seen);
});

/** norm(x + attention of x to `context`). */
const attend = module((w, config: BlipTextConfig, x: Value, context: Value, bias?: Value): Value => {
  return output(w.scope("output"), headsAttention(w.scope("self"), config, x, context, bias), x);
});

const headsAttention = module((w, { width, heads }: BlipTextConfig, x: Value, context: Value, bias?: Value): Value => {
  const of = (key: string, states: Value) => linear(w.scope(key), states, width);
  return attention(of("query", x), of("key", context), of("value", context), { heads, bias });
});

const feedForward = module((w, { intermediate }: BlipTextConfig, x: Value): Value => {
  const hidden = gelu(linear(w.scope("intermediate.dense"), x, intermediate));
  return output(w.scope("output"), hidden, x);
});

/** norm(x + projection of `hidden`). */
const output = module((w, hidden: Value, x: Value): Value => {
  return layerNorm(w.scope("LayerNorm"), add(linear(w.scope("dense"), hidden, x.dim(-1)), x), normEpsilon);
});
