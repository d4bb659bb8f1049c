/** @file BLIP's vision transformer (arXiv 2201.12086; timm's names, as BLIP and ImageReward have them). */

import type { Value } from "../graph/ir.js";
import { add, attention, chunk, concat, conv2d, expand, gelu, reshape, transpose } from "../graph/ops.js";
import { layerNorm, linear, within } from "./layers.js";
import type { Weights } from "./weights.js";

export interface BlipVisionConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly patch: number;
  /** Side of a picture in pixels. */
  readonly side: number;
}

const normEpsilon = 1e-6;

/** Pictures [N, 3, side, side], normalised, -> states [N, 1 + patches, width]; the first is that of the whole picture. */
export function blipVision(w: Weights, config: BlipVisionConfig, pixels: Value): Value {
  const { width, layers, patch, side } = config;
  const batch = pixels.dim(0);
  const count = Math.floor(side / patch) ** 2;
  const projection = w.scope("patch_embed.proj");
  const attributes = { strides: [patch, patch], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
  const kernel = projection.tensor("weight", [width, 3, patch, patch]);
  const grid = conv2d(pixels, kernel, attributes, projection.tensor("bias", [width]));
  const patches = transpose(reshape(grid, [batch, width, count]), [0, 2, 1]);
  const first = expand(w.tensor("cls_token", [1, 1, width]), [batch, 1, width]);
  let x = add(concat([first, patches], 1), w.tensor("pos_embed", [1, count + 1, width]));
  for (let index = 0; index < layers; index++) {
    x = within(w, `blocks.${index}`, (block) => visionBlock(block, config, x));
  }
  return layerNorm(w.scope("norm"), x, normEpsilon);
}

function visionBlock(w: Weights, { width, heads }: BlipVisionConfig, x: Value): Value {
  const joined = linear(w.scope("attn.qkv"), layerNorm(w.scope("norm1"), x, normEpsilon), 3 * width);
  const [query, key, value] = chunk(joined, 3);
  const attended = add(x, linear(w.scope("attn.proj"), attention(query, key, value, { heads }), width));
  const hidden = gelu(linear(w.scope("mlp.fc1"), layerNorm(w.scope("norm2"), attended, normEpsilon), 4 * width));
  return add(attended, linear(w.scope("mlp.fc2"), hidden, width));
}
