/** @file The transformer layer of both CLIP towers (arXiv 2103.00020; transformers models/clip/modeling_clip.py). */

import type { Value } from "../graph/ir.js";
import { add, attention, gelu } from "../graph/ops.js";
import { layerNorm, linear, quickGelu } from "./layers.js";
import { module } from "./weights.js";

/** The part of a tower's configuration that a layer needs. */
export interface ClipLayerConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly hidden_act: "quick_gelu" | "gelu";
  readonly layer_norm_eps: number;
}

/** x [N, L, hidden] -> [N, L, hidden]; `mask` is an additive attention mask. */
export const clipLayer = module((w, config: ClipLayerConfig, x: Value, mask?: Value): Value => {
  const normal = layerNorm(w.scope("layer_norm1"), x, config.layer_norm_eps);
  const attended = add(x, selfAttention(w.scope("self_attn"), config, normal, mask));
  return add(
    attended,
    perceptron(w.scope("mlp"), config, layerNorm(w.scope("layer_norm2"), attended, config.layer_norm_eps)),
  );
});

const selfAttention = module((w, config: ClipLayerConfig, x: Value, mask: Value | undefined): Value => {
  const of = (key: string) => linear(w.scope(key), x, config.hidden_size);
  const heads = config.num_attention_heads;
  const attended = attention(of("q_proj"), of("k_proj"), of("v_proj"), { heads, bias: mask });
  return linear(w.scope("out_proj"), attended, config.hidden_size);
});

const perceptron = module((w, config: ClipLayerConfig, x: Value): Value => {
  const activation = { quick_gelu: quickGelu, gelu: (hidden: Value) => gelu(hidden) }[config.hidden_act];
  const hidden = activation(linear(w.scope("fc1"), x, config.intermediate_size));
  return linear(w.scope("fc2"), hidden, config.hidden_size);
});
