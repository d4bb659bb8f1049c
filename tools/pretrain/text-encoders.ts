/**
 * @file Second stage: both text encoders, by contrast (CLIP, arXiv 2103.00020) with a small tower that reads what the scene holds
 * and is thrown away afterwards. They are frozen when the transformer is trained, as those of Stable Diffusion 3 were.
 *
 * The tower reads objects and not pixels: seeing costs an image tower of this size most of its steps, and until it sees shapes,
 * the texts that are compared with it need not tell them apart. All captions are true here, and the style of each is asked for beside:
 * encoders that had learned which style to believe would hand over what they believe, and nothing behind them could read the words again.
 */

import type { Generator } from "#softrepa/core/random.js";
import { floatTensor, intTensor } from "#softrepa/core/tensor.js";
import type { Value } from "#softrepa/graph/graph.js";
import {
  add,
  concat,
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
  slice,
  sqrt,
  sub,
  transpose,
} from "#softrepa/graph/ops.js";
import { clipTextEncoder, eosPosition } from "#softrepa/models/clip-text.js";
import { linear } from "#softrepa/models/layers.js";
import type { TextTokenizer } from "#softrepa/models/tokenizer/text-tokenizer.js";
import type { Weights } from "#softrepa/models/weights.js";
import type { NamedTensors } from "#softrepa/runtime/engine.js";
import { registers } from "#softrepa/world/caption.js";
import { pick } from "#softrepa/world/choose.js";
import { nearMiss } from "#softrepa/world/near-miss.js";
import { colours, grounds, imageSize, type SceneObject, shapes, sizes } from "#softrepa/world/scene.js";
import { clipConfigs, promptLength } from "./configs.js";
import { drawTrainingScene, drawTrueCaption } from "./mixture.js";
import type { Losses } from "./network.js";

/** 1 / temperature of the cosine similarities. */
const logitScale = 16;

/** Contrastive loss of each encoder with its own projection of the scenes. */
export function textEncoderLoss(w: Weights, batch: number): Losses {
  const features = sceneTower(w.scope("scene_tower"), batch);
  const style = input(w.graph, "style", [batch, registers.length]);
  const texts = encodeTexts(w, batch);
  const contrasts = texts.map(({ pooled }, index) => {
    const head = linear(w.scope(`scene_tower.head_${index}`), features, pooled.dim(1));
    const logits = mul(matmul(unit(head), unit(pooled), { transposeB: true }), logitScale);
    return mul(add(crossEntropy(logits), crossEntropy(transpose(logits, [1, 0]))), 0.5);
  });
  const styles = texts.map(({ states }, index) =>
    styleLoss(linear(w.scope(`scene_tower.style_${index}`), states, registers.length), style),
  );
  const contrast = add(contrasts[0], contrasts[1]);
  const told = add(styles[0], styles[1]);
  return { loss: add(contrast, told), contrast, style_told: told };
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

/** Training scenes with captions, every second one a near miss of the one before: only all of a caption tells the two apart. */
export function textEncoderBatch(batch: number, tokenizer: TextTokenizer, random: Generator): NamedTensors {
  const pairs = Array.from({ length: batch / 2 }, () => drawTrainingScene(random))
    .flatMap((scene) => [scene, nearMiss(scene, random).scene])
    .map((scene) => {
      const register = pick(random, registers);
      return { scene, register, text: drawTrueCaption(scene, register, random) };
    });
  const objects = floatTensor([batch, maxObjects, objectNumbers]);
  const ground = floatTensor([batch, grounds.length]);
  const style = floatTensor([batch, registers.length]);
  for (const [index, { scene, register }] of pairs.entries()) {
    scene.objects.forEach((object, place) => {
      objects.data.set(numbersOf(object), (index * maxObjects + place) * objectNumbers);
    });
    ground.data[index * grounds.length + grounds.indexOf(scene.ground)] = 1;
    style.data[index * registers.length + registers.indexOf(register)] = 1;
  }
  const texts = pairs.map(({ text }) => text);
  return { objects, ground, style, ...textFeeds(texts, tokenizer) };
}

const maxObjects = 4;
/** That there is one, its shape, colour and size, and where it lies. */
const objectNumbers = 1 + shapes.length + colours.length + sizes.length + 2;

function numbersOf({ shape, colour, size, x, y }: SceneObject): number[] {
  const one = <T>(all: readonly T[], chosen: T): number[] => all.map((item) => (item === chosen ? 1 : 0));
  const place = [x, y].map((at) => (4 * at) / imageSize - 2);
  return [1, ...one(shapes, shape), ...one(colours, colour), ...one(sizes, size), ...place];
}

/** What the objects are, each and two by two, summed over all, and the ground: [N, 256]. */
function sceneTower(w: Weights, batch: number): Value {
  const objects = input(w.graph, "objects", [batch, maxObjects, objectNumbers]);
  const ground = input(w.graph, "ground", [batch, grounds.length]);
  const present = slice(objects, 2, 0, 1);
  const each = mul(gelu(linear(w.scope("each"), objects, 192), "tanh"), present);
  const first = reshape(linear(w.scope("first"), objects, 192), [batch, maxObjects, 1, 192]);
  const second = reshape(linear(w.scope("second"), objects, 192), [batch, 1, maxObjects, 192]);
  const both = mul(reshape(present, [batch, maxObjects, 1, 1]), reshape(present, [batch, 1, maxObjects, 1]));
  const pairs = mul(gelu(add(first, second), "tanh"), both);
  const all = concat([reduceSum(each, [1]), reduceSum(pairs, [1, 2]), ground], 1);
  return gelu(linear(w.scope("whole"), all, 256), "tanh");
}

function unit(x: Value): Value {
  return div(x, sqrt(add(reduceSum(mul(x, x), [1], { keepDims: true }), 1e-6)));
}

/** Cross entropy of the style [N, styles] at every position of the states' logits [N, L, styles], since it shows somewhere in a text. */
function styleLoss(logits: Value, style: Value): Value {
  const [batch, , styles] = logits.shape;
  const right = reduceSum(mul(logits, reshape(style, [batch, 1, styles])), [2]);
  return reduceMean(sub(log(reduceSum(exp(logits), [2])), right), [0, 1]);
}

/** Mean over rows of log sum exp - diagonal; logits stay within the logit scale, so nothing overflows. */
function crossEntropy(logits: Value): Value {
  const size = logits.dim(0);
  const diagonal = floatTensor([size, size]);
  for (let i = 0; i < size; i++) diagonal.data[i * size + i] = 1;
  const right = reduceSum(mul(logits, constant(logits.graph, diagonal)), [1]);
  return reduceMean(sub(log(reduceSum(exp(logits), [1])), right), [0]);
}
