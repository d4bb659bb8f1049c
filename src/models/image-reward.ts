/** @file ImageReward: BLIP's text states of a prompt that looks at a picture, and a small network that makes a number of them (arXiv 2304.05977). */

import { InputError } from "../core/errors.js";
import { hasLength, type Tuple } from "../core/lists.js";
import type { Value } from "../graph/ir.js";
import { div, reshape, slice, sub } from "../graph/ops.js";
import { shapeOf, type WeightSource } from "../weights/source.js";
import { type BlipTextConfig, blipText } from "./blip-text.js";
import { type BlipVisionConfig, blipVision } from "./blip-vision.js";
import { linear } from "./layers.js";
import { module } from "./weights.js";

export interface ImageRewardConfig {
  readonly vision: BlipVisionConfig;
  readonly text: BlipTextConfig;
}

/** Prompts are cut and padded to this many tokens. */
export const imageRewardTokens = 35;

/** What the network gives for the authors' data has this mean and deviation; rewards are in units of it. */
const rewardMean = 0.16717362830052426;
const rewardDeviation = 1.0333394966054072;

/** Positions as numbers, and BLIP's own heads, which the reward does not pass through. */
export const imageRewardIgnoredKeys: readonly RegExp[] = [
  /\.position_ids$/,
  /^blip\.(?:vision_proj|text_proj|itm_head|temp)/,
];

/** The layers of the reward's network; there is nothing between them but dropout. */
const rewardLayers: readonly (readonly [index: number, width: number])[] = [
  [0, 1024],
  [2, 128],
  [4, 64],
  [6, 16],
  [7, 1],
];

const headWidth = 64;

/** Read off the shapes: the file has no configuration. */
export function imageRewardConfig(source: WeightSource): ImageRewardConfig {
  const vision = "blip.visual_encoder.";
  const text = "blip.text_encoder.";
  const [width, , patch] = requiredShape(source, `${vision}patch_embed.proj.weight`, 4);
  const patches = requiredShape(source, `${vision}pos_embed`, 3)[1] - 1;
  const [vocabulary, textWidth] = requiredShape(source, `${text}embeddings.word_embeddings.weight`, 2);
  return {
    vision: {
      width,
      layers: countLayers(source, `${vision}blocks.`),
      heads: width / headWidth,
      patch,
      side: Math.round(Math.sqrt(patches)) * patch,
    },
    text: {
      width: textWidth,
      layers: countLayers(source, `${text}encoder.layer.`),
      heads: textWidth / headWidth,
      intermediate: requiredShape(source, `${text}encoder.layer.0.intermediate.dense.weight`, 2)[0],
      vocabulary,
      positions: requiredShape(source, `${text}embeddings.position_embeddings.weight`, 2)[0],
    },
  };
}

function requiredShape<R extends number>(source: WeightSource, name: string, rank: R): Tuple<number, R> {
  const shape = shapeOf(source, name);
  if (shape !== undefined && hasLength(shape, rank)) return shape;
  const why = shape === undefined ? `the tensor ${name} is missing` : `${name} has ${shape.length} axes, not ${rank}`;
  throw new InputError(`${source.origin} is no ImageReward model: ${why}`);
}

/** How many layers the names number, from 0. */
function countLayers({ tensors }: WeightSource, prefix: string): number {
  let count = 0;
  for (const name of tensors.keys()) {
    if (name.startsWith(prefix)) count = Math.max(count, 1 + Number.parseInt(name.slice(prefix.length), 10));
  }
  return count;
}

export interface ImageRewardInputs {
  /** [N, 3, side, side], normalised as for CLIP. */
  readonly pixels: Value;
  /** Of BERT, int64 [N, L], and which of them are no padding. */
  readonly inputIds: Value;
  readonly attentionMask: Value;
}

export interface ImageRewardOutputs {
  /** [N], about N(0, 1) over the authors' data. */
  readonly reward: Value;
  /** The picture's first state, [N, width]. */
  readonly visualClass: Value;
}

export const imageReward = module((w, config: ImageRewardConfig, inputs: ImageRewardInputs): ImageRewardOutputs => {
  const { pixels, inputIds, attentionMask } = inputs;
  const blip = w.scope("blip");
  const image = blipVision(blip.scope("visual_encoder"), config.vision, pixels);
  const states = blipText(blip.scope("text_encoder"), config.text, { inputIds, attentionMask, image });
  const batch = pixels.dim(0);
  const first = (x: Value) => reshape(slice(x, 1, 0, 1), [batch, x.dim(2)]);
  const head = w.scope("mlp.layers");
  const raw = rewardLayers.reduce((x, [index, width]) => linear(head.scope(index), x, width), first(states));
  return { reward: reshape(div(sub(raw, rewardMean), rewardDeviation), [batch]), visualClass: first(image) };
});
