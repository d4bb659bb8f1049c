/** @file BLIP's vision transformer (arXiv 2201.12086), with timm's key names as in BLIP and ImageReward. */

import type { Value } from "../graph/ir.js";
import { add, attention, chunk, concat, expand, gelu, reshape, transpose } from "../graph/ops.js";
import { convolution, layerNorm, linear } from "./layers.js";
import { module } from "./weights.js";

export interface BlipVisionConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly patch: number;
  /** Image side in pixels. */
  readonly side: number;
}

const normEpsilon = 1e-6;

/** Normalised images [N, 3, side, side] -> states [N, 1 + patches, width]; the first is the class token's. */
export const blipVision = module((w, config: BlipVisionConfig, pixels: Value): Value => {
  const { width, layers, patch, side } = config;
  const batch = pixels.dim(0);
  const count = Math.floor(side / patch) ** 2;
  const whole = { kernel: patch, stride: patch, padding: 0 };
  const grid = convolution(w.scope("patch_embed.proj"), pixels, width, whole);
  const patches = transpose(reshape(grid, [batch, width, count]), [0, 2, 1]);
  const first = expand(w.tensor("cls_token", [1, 1, width]), [batch, 1, width]);
  let x = add(concat([first, patches], 1), w.tensor("pos_embed", [1, count + 1, width]));
  for (let index = 0; index < layers; index++) {
    x = visionBlock(w.scope(`blocks.${index}`), config, x);
  }
  return layerNorm(w.scope("norm"), x, normEpsilon);
});

const visionBlock = module((w, { width, heads }: BlipVisionConfig, x: Value): Value => {
  const attended = add(x, selfAttention(w.scope("attn"), heads, layerNorm(w.scope("norm1"), x, normEpsilon)));
  const hidden = gelu(linear(w.scope("mlp.fc1"), layerNorm(w.scope("norm2"), attended, normEpsilon), 4 * width));
  return add(attended, linear(w.scope("mlp.fc2"), hidden, width));
});

const selfAttention = module((w, heads: number, x: Value): Value => {
  const width = x.dim(-1);
  const [query, key, value] = chunk(linear(w.scope("qkv"), x, 3 * width), 3);
  return linear(w.scope("proj"), attention(query, key, value, { heads }), width);
});
