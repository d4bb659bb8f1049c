/** @file CLIP and T5 text encoders inside original checkpoints and in separate files (diffusers loaders/single_file_utils.py). */

import type { z } from "zod";
import { type ArrangedTensor, shapeOf, type WeightSource } from "../../weights/source.js";
import type { clipTextConfigSchema } from "../clip-text.js";
import { type Dialect, split, translateKeys, transposed } from "../dialect.js";
import type { t5ConfigSchema } from "../t5-encoder.js";
import { countNumbered, headCount, type OriginalNetwork, requiredShape } from "./network.js";

/** Head width of every CLIP text encoder of a diffusion model. */
const headWidth = 64;

/**
 * Three layouts: transformers', which needs no rule; transformers' before version 4.3, in some early checkpoints; and
 * OpenCLIP's, which has queries, keys and values in one matrix and the projection transposed.
 */
const clipDialect: Dialect = [
  [/^(embeddings|encoder|final_layer_norm)\./, "text_model.$1."],
  [/^positional_embedding$/, "text_model.embeddings.position_embedding.weight"],
  [/^token_embedding\./, "text_model.embeddings.token_embedding."],
  [/^ln_final\./, "text_model.final_layer_norm."],
  [/^text_projection$/, transposed("text_projection.weight")],
  [/^transformer\.resblocks\./, "text_model.encoder.layers."],
  [/\.ln_1\./, ".layer_norm1."],
  [/\.ln_2\./, ".layer_norm2."],
  [/\.mlp\.c_fc\./, ".mlp.fc1."],
  [/\.mlp\.c_proj\./, ".mlp.fc2."],
  [/\.attn\.in_proj_(weight|bias)$/, split(".self_attn.q_proj.$1", ".self_attn.k_proj.$1", ".self_attn.v_proj.$1")],
  [/\.attn\.out_proj\./, ".self_attn.out_proj."],
];

/** Configuration that cannot be read from the shapes. */
export interface ClipFamily {
  readonly activation: "quick_gelu" | "gelu";
  /** Whether a missing projection is the identity, as in Stable Diffusion 3 files; otherwise the model has none. */
  readonly identityProjection?: boolean;
}

export function originalClipText(
  source: WeightSource,
  { activation, identityProjection }: ClipFamily,
): OriginalNetwork {
  const translated = translateKeys(source, clipDialect);
  const [vocabulary, width] = requiredShape(translated, "text_model.embeddings.token_embedding.weight", 2);
  const stored = shapeOf(translated, "text_projection.weight");
  const identity: ArrangedTensor = { kind: "identity", size: width };
  const weights =
    stored === undefined && identityProjection
      ? { ...translated, arranged: new Map([...(translated.arranged ?? []), ["text_projection.weight", identity]]) }
      : translated;
  const projection = shapeOf(weights, "text_projection.weight");
  const config: z.input<typeof clipTextConfigSchema> = {
    architectures: [projection === undefined ? "CLIPTextModel" : "CLIPTextModelWithProjection"],
    vocab_size: vocabulary,
    hidden_size: width,
    intermediate_size: requiredShape(weights, "text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
    projection_dim: projection?.[0] ?? width,
    num_hidden_layers: countNumbered(weights, "text_model.encoder.layers."),
    num_attention_heads: headCount(weights, width, headWidth),
    max_position_embeddings: requiredShape(weights, "text_model.embeddings.position_embedding.weight", 2)[0],
    hidden_act: activation,
    layer_norm_eps: 1e-5,
    // The end token has the highest id in any vocabulary: see `eosPosition`.
    eos_token_id: 2,
  };
  return { config: config as OriginalNetwork["config"], weights };
}

/** Reads T5, whose keys are transformers' in all files. */
export function originalT5(source: WeightSource): OriginalNetwork {
  const table = source.tensors.has("shared.weight") ? "shared.weight" : "encoder.embed_tokens.weight";
  const [vocabulary, width] = requiredShape(source, table, 2);
  const attention = "encoder.block.0.layer.0.SelfAttention";
  const [buckets, heads] = requiredShape(source, `${attention}.relative_attention_bias.weight`, 2);
  const feedForward = "encoder.block.0.layer.1.DenseReluDense";
  const gated = source.tensors.has(`${feedForward}.wi_0.weight`);
  const config: z.input<typeof t5ConfigSchema> = {
    vocab_size: vocabulary,
    d_model: width,
    d_kv: requiredShape(source, `${attention}.q.weight`, 2)[0] / heads,
    d_ff: requiredShape(source, `${feedForward}.${gated ? "wi_0" : "wi"}.weight`, 2)[0],
    num_layers: countNumbered(source, "encoder.block."),
    num_heads: heads,
    relative_attention_num_buckets: buckets,
    relative_attention_max_distance: 128,
    layer_norm_epsilon: 1e-6,
    feed_forward_proj: gated ? "gated-gelu" : "relu",
  };
  return { config, weights: source };
}
