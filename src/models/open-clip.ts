/** @file Whole CLIP models with open_clip's key names, such as HPSv2.1; their configuration is read from the shapes. */

import { InputError } from "../core/errors.js";
import { hasLength, type Tuple } from "../core/lists.js";
import { shapeOf, type WeightSource } from "../weights/source.js";
import { type ClipTextConfig, clipTextConfigSchema } from "./clip-text.js";
import { type ClipVisionConfig, clipVisionConfigSchema } from "./clip-vision.js";
import { type Dialect, split, translateKeys, transposed } from "./dialect.js";

/** open_clip stores projections transposed, and queries, keys and values in one matrix. */
const openClipDialect: Dialect = [
  [/^module\./, ""],
  [/^visual\.class_embedding$/, "vision_model.embeddings.class_embedding"],
  [/^visual\.conv1\.weight$/, "vision_model.embeddings.patch_embedding.weight"],
  [/^visual\.positional_embedding$/, "vision_model.embeddings.position_embedding.weight"],
  [/^visual\.ln_pre\./, "vision_model.pre_layrnorm."],
  [/^visual\.ln_post\./, "vision_model.post_layernorm."],
  [/^visual\.proj$/, transposed("visual_projection.weight")],
  [/^visual\.transformer\.resblocks\./, "vision_model.encoder.layers."],
  [/^token_embedding\./, "text_model.embeddings.token_embedding."],
  [/^positional_embedding$/, "text_model.embeddings.position_embedding.weight"],
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

export interface OpenClipModel {
  readonly text: ClipTextConfig;
  readonly vision: ClipVisionConfig;
  readonly projection: number;
  readonly weights: WeightSource;
}

/**
 * Reads the model in `source`. Heads have width 64 in all text towers and in vision towers of up to 1024 channels; wider towers
 * (ViT-H, g, bigG) have 16 heads. The activation is the exact gelu, as in the models that open_clip trained. Throws an
 * InputError for other models.
 */
export function openClipModel(source: WeightSource): OpenClipModel {
  const weights = translateKeys(source, openClipDialect);
  const shape = <R extends number>(name: string, rank: R): Tuple<number, R> => {
    const given = shapeOf(weights, name);
    if (given !== undefined && hasLength(given, rank)) return given;
    const why = given === undefined ? `the tensor ${name} is missing` : `${name} has ${given.length} axes, not ${rank}`;
    throw new InputError(`${source.origin} is not a CLIP model of open_clip: ${why}`);
  };
  const [vocabulary, textWidth] = shape("text_model.embeddings.token_embedding.weight", 2);
  const [visionWidth, , patch] = shape("vision_model.embeddings.patch_embedding.weight", 4);
  const [positions] = shape("vision_model.embeddings.position_embedding.weight", 2);
  const intermediate = (tower: string) => shape(`${tower}.encoder.layers.0.mlp.fc1.weight`, 2)[0];
  const [projection] = shape("text_projection.weight", 2);
  const shared = { hidden_act: "gelu", layer_norm_eps: 1e-5 } as const;
  const text = clipTextConfigSchema.parse({
    ...shared,
    architectures: ["CLIPModel"],
    vocab_size: vocabulary,
    hidden_size: textWidth,
    intermediate_size: intermediate("text_model"),
    projection_dim: projection,
    num_hidden_layers: layersOf(weights, "text_model"),
    num_attention_heads: Math.max(1, Math.round(textWidth / 64)),
    max_position_embeddings: shape("text_model.embeddings.position_embedding.weight", 2)[0],
    // The end token has the highest id: see `eosPosition`.
    eos_token_id: 2,
  });
  const vision = clipVisionConfigSchema.parse({
    ...shared,
    hidden_size: visionWidth,
    intermediate_size: intermediate("vision_model"),
    num_hidden_layers: layersOf(weights, "vision_model"),
    num_attention_heads: visionWidth > 1024 ? 16 : Math.max(1, Math.round(visionWidth / 64)),
    image_size: Math.round(Math.sqrt(positions - 1)) * patch,
    patch_size: patch,
  });
  return { text, vision, projection, weights };
}

/** Counts the layers of a tower by their names. */
function layersOf({ tensors, arranged }: WeightSource, tower: string): number {
  const prefix = `${tower}.encoder.layers.`;
  let count = 0;
  for (const name of [...tensors.keys(), ...(arranged?.keys() ?? [])]) {
    if (name.startsWith(prefix)) count = Math.max(count, 1 + Number.parseInt(name.slice(prefix.length), 10));
  }
  return count;
}
