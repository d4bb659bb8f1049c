/**
 * @file Second stage: both text encoders, by contrast with a small image tower that is thrown away afterwards
 * (CLIP, arXiv 2103.00020). They are frozen when the transformer is trained, as those of Stable Diffusion 3 were.
 */

import type { Generator } from "../../core/random.js";
import { floatTensor, intTensor } from "../../core/tensor.js";
import type { Value } from "../../graph/graph.js";
import {
  add,
  constant,
  div,
  exp,
  gelu,
  input,
  log,
  matmul,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  sqrt,
  sub,
  transpose,
} from "../../graph/ops.js";
import { clipTextEncoder, eosPosition } from "../../models/clip-text.js";
import { linear } from "../../models/layers.js";
import type { TextTokenizer } from "../../models/tokenizer/text-tokenizer.js";
import type { Weights } from "../../models/weights.js";
import type { NamedTensors } from "../../runtime/engine.js";
import { renderInto } from "../../world/render.js";
import { imageSize } from "../../world/scene.js";
import { clipConfigs, promptLength } from "./configs.js";
import { drawPair } from "./mixture.js";
import type { Losses } from "./network.js";

/** 1 / temperature of the cosine similarities. */
const logitScale = 14;

/** Contrastive loss of each encoder with its own projection of the images. */
export function textEncoderLoss(w: Weights, batch: number): Losses {
  const image = input(w.graph, "image", [batch, 3, imageSize, imageSize]);
  const features = imageTower(w.scope("image_tower"), image);
  const texts = encodeTexts(w, batch);
  const losses = texts.map(({ pooled }, index) => {
    const head = linear(w.scope(`image_tower.head_${index}`), features, pooled.dim(1));
    const logits = mul(matmul(unit(head), unit(pooled), { transposeB: true }), logitScale);
    return mul(add(crossEntropy(logits), crossEntropy(transpose(logits, [1, 0]))), 0.5);
  });
  return { loss: add(losses[0], losses[1]), loss_1: losses[0], loss_2: losses[1] };
}

/** States before the last layer and pooled texts of both encoders, for graph inputs `ids` [N, L] and `eos` [N]. */
export function encodeTexts(w: Weights, batch: number): { states: Value; pooled: Value }[] {
  const inputIds = input(w.graph, "ids", [batch, promptLength], "int64");
  const eosPositions = input(w.graph, "eos", [batch], "int64");
  return clipConfigs.map((config, index) => {
    const scope = w.scope(textEncoderNames[index]);
    const { hiddenStates, pooled, textEmbeds } = clipTextEncoder(scope, config, { inputIds, eosPositions });
    return { states: hiddenStates[hiddenStates.length - 2], pooled: textEmbeds ?? pooled };
  });
}

export const textEncoderNames = ["text_encoder", "text_encoder_2"] as const;

/** The inputs that `encodeTexts` declares. */
export function textFeeds(texts: readonly string[], tokenizer: TextTokenizer): NamedTensors {
  const ids = texts.map((text) => tokenizer.encode(text).ids);
  const ends = ids.map((row) => eosPosition(row, clipConfigs[0]));
  return { ids: intTensor([texts.length, promptLength], ids.flat()), eos: intTensor([texts.length], ends) };
}

/** Images with captions of training scenes. */
export function textEncoderBatch(batch: number, tokenizer: TextTokenizer, random: Generator): NamedTensors {
  const image = floatTensor([batch, 3, imageSize, imageSize]);
  const numbers = image.data.length / batch;
  const texts = Array.from({ length: batch }, (_, index) => {
    const { scene, text } = drawPair(random);
    renderInto(scene, image.data, index * numbers);
    return text;
  });
  return { image, ...textFeeds(texts, tokenizer) };
}

/** Patches of 4 x 4 pixels, merged two by two twice over, then all together: [N, 256]. */
function imageTower(w: Weights, image: Value): Value {
  const merged = [96, 192, 256].reduce(
    (x, width, level) => {
      const size = level === 0 ? 4 : 2;
      return gelu(linear(w.scope(`merge_${level}`), mergePatches(x, size), width), "tanh");
    },
    transpose(image, [0, 2, 3, 1]),
  );
  return gelu(linear(w.scope("whole"), reshape(merged, [image.dim(0), -1]), 256), "tanh");
}

/** [N, H, W, C] -> [N, H / size, W / size, size size C]. */
function mergePatches(x: Value, size: number): Value {
  const [batch, height, width, channels] = x.shape;
  const [rows, columns] = [height / size, width / size];
  const grid = reshape(x, [batch, rows, size, columns, size, channels]);
  return reshape(transpose(grid, [0, 1, 3, 2, 4, 5]), [batch, rows, columns, size * size * channels]);
}

function unit(x: Value): Value {
  return div(x, sqrt(add(reduceSum(mul(x, x), [1], { keepDims: true }), 1e-6)));
}

/** Mean over rows of log sum exp - diagonal; logits stay within the logit scale, so nothing overflows. */
function crossEntropy(logits: Value): Value {
  const size = logits.dim(0);
  const diagonal = floatTensor([size, size]);
  for (let i = 0; i < size; i++) diagonal.data[i * size + i] = 1;
  const right = reduceSum(mul(logits, constant(logits.graph, diagonal)), [1]);
  return reduceMean(sub(log(reduceSum(exp(logits), [1])), right), [0]);
}
