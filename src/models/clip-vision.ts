/** @file CLIP's vision transformer and its projection (arXiv 2103.00020; transformers models/clip/modeling_clip.py). */

import { z } from "zod";
import { InputError } from "../core/errors.js";
import { formatShape, sameShape } from "../core/tensor.js";
import type { Value } from "../graph/ir.js";
import { add, concat, expand, reshape, slice, transpose } from "../graph/ops.js";
import { clipLayer } from "./clip-layer.js";
import { convolution, layerNorm, linear } from "./layers.js";
import { module } from "./weights.js";

/** `vision_config` of a CLIP model's config.json; absent keys have transformers' defaults. */
export const clipVisionConfigSchema = z
  .object({
    hidden_size: z.int().positive().default(768),
    intermediate_size: z.int().positive().default(3072),
    num_hidden_layers: z.int().positive().default(12),
    num_attention_heads: z.int().positive().default(12),
    num_channels: z.literal(3).default(3),
    image_size: z.int().positive().default(224),
    patch_size: z.int().positive().default(32),
    hidden_act: z.enum(["quick_gelu", "gelu"]).default("quick_gelu"),
    layer_norm_eps: z.number().positive().default(1e-5),
  })
  .refine(({ hidden_size, num_attention_heads }) => hidden_size % num_attention_heads === 0, {
    path: ["num_attention_heads"],
    message: "must divide hidden_size",
  })
  .refine(({ image_size, patch_size }) => image_size >= patch_size, {
    path: ["patch_size"],
    message: "must not be above image_size",
  });
export type ClipVisionConfig = z.infer<typeof clipVisionConfigSchema>;

/** Older checkpoints store position ids under this key. */
export const clipVisionIgnoredKeys: readonly RegExp[] = [/^vision_model\.embeddings\.position_ids$/];

/** Normalised images [N, 3, S, S] -> embeddings [N, projection] in the space shared with texts, not normalised. */
export const clipVisionEncoder = module((w, config: ClipVisionConfig, projection: number, pixels: Value): Value => {
  const model = w.scope("vision_model");
  let x = embedPatches(model.scope("embeddings"), config, pixels);
  // The key's spelling in checkpoints.
  x = layerNorm(model.scope("pre_layrnorm"), x, config.layer_norm_eps);
  for (let index = 0; index < config.num_hidden_layers; index++) {
    x = clipLayer(model.scope(`encoder.layers.${index}`), config, x);
  }
  const first = reshape(slice(x, 1, 0, 1), [pixels.dim(0), config.hidden_size]);
  const pooled = layerNorm(model.scope("post_layernorm"), first, config.layer_norm_eps);
  return linear(w.scope("visual_projection"), pooled, projection, { bias: false });
});

/** The class embedding followed by the patches in row-major order, plus position embeddings: [N, 1 + patches, hidden]. */
const embedPatches = module((w, config: ClipVisionConfig, pixels: Value): Value => {
  const { hidden_size: width, image_size: side, patch_size: patch } = config;
  const batch = pixels.dim(0);
  if (!sameShape(pixels.shape, [batch, 3, side, side])) {
    throw new InputError(`this CLIP model reads images of ${side} x ${side}, not ${formatShape(pixels.shape)}`);
  }
  const count = Math.floor(side / patch) ** 2;
  const whole = { kernel: patch, stride: patch, padding: 0, bias: false };
  const grid = convolution(w.scope("patch_embedding"), pixels, width, whole);
  const patches = transpose(reshape(grid, [batch, width, count]), [0, 2, 1]);
  const first = expand(reshape(w.tensor("class_embedding", [width]), [1, 1, width]), [batch, 1, width]);
  const positions = w.scope("position_embedding").tensor("weight", [count + 1, width]);
  return add(concat([first, patches], 1), positions);
});
