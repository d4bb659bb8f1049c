/** @file ImageReward: a perceptron on the states of BLIP's text encoder with cross-attention to an image (arXiv 2304.05977). */

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

/** Prompts are truncated and padded to this many tokens. */
export const imageRewardTokens = 35;

/** Mean and standard deviation of the network's output on the authors' data, by which rewards are normalised. */
const rewardMean = 0.16717362830052426;
const rewardDeviation = 1.0333394966054072;

/** Position ids, and BLIP's own heads, which the reward does not use. */
export const imageRewardIgnoredKeys: readonly RegExp[] = [
  /\.position_ids$/,
  /^blip\.(?:vision_proj|text_proj|itm_head|temp)/,
];

/** The linear layers of the reward head, which has only dropout between them. */
const rewardLayers: readonly (readonly [index: number, width: number])[] = [
  [0, 1024],
  [2, 128],
  [4, 64],
  [6, 16],
  [7, 1],
];

const headWidth = 64;

/** Reads the configuration from the shapes, since the file has none. Throws an InputError for other models. */
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
  throw new InputError(`${source.origin} is not an ImageReward model: ${why}`);
}

/** Counts the layers by their names. */
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
  /** BERT's token ids, int64 [N, L], with 1 for text and 0 for padding in the mask. */
  readonly inputIds: Value;
  readonly attentionMask: Value;
}

export interface ImageRewardOutputs {
  /** [N], about N(0, 1) over the authors' data. */
  readonly reward: Value;
  /** The image's class token, [N, width]. */
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
