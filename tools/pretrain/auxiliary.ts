/**
 * @file The auxiliary loss, in the spirit of REPA (arXiv 2410.06940): a small head reads from the image tokens in the middle of the transformer what
 * the renderer knows, the shape and colour of the object at each token and where its centre lies. The head is thrown away afterwards.
 */

import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import type { Value } from "#softrepa/graph/ir.js";
import { add, exp, gelu, input, log, mul, reduceMean, reduceSum, slice, sub } from "#softrepa/graph/ops.js";
import { linear } from "#softrepa/models/layers.js";
import type { Weights } from "#softrepa/models/weights.js";
import { colours, imageSize, type Scene, shapes } from "#softrepa/scenes/scene.js";

/** The classes of a token: no object, or one of the shapes, and the same of the colours. */
const shapeClasses = 1 + shapes.length;
const colourClasses = 1 + colours.length;
/** Offset to the centre of the object's box, right and down, in half sides of that box. */
const offsets = 2;
const targetWidth = shapeClasses + colourClasses + offsets;

/** A token belongs to an object whose box, this many pixels wider on each side, holds the token's middle; boxes are further apart. */
const margin = 1;

/**
 * Mean over image tokens of the cross entropies of shape and colour, and, where there is an object, of the squared error of the offset.
 * `tokens` [N, L, width]; the graph's input `objects` [N, L, targets] comes from `objectTargets`.
 */
export function auxiliaryLoss(w: Weights, tokens: Value): Value {
  const [batch, length, width] = tokens.shape;
  const targets = input(w.graph, "objects", [batch, length, targetWidth]);
  const hidden = gelu(linear(w.scope("hidden"), tokens, width), "tanh");
  const predicted = linear(w.scope("out"), hidden, targetWidth);
  const part = (x: Value, start: number, size: number) => slice(x, 2, start, start + size);
  const crossEntropy = (start: number, size: number) => {
    const logits = part(predicted, start, size);
    // A two-layer head stays far from where exp overflows.
    return sub(log(reduceSum(exp(logits), [2])), reduceSum(mul(logits, part(targets, start, size)), [2]));
  };
  const difference = sub(
    part(predicted, shapeClasses + colourClasses, offsets),
    part(targets, shapeClasses + colourClasses, offsets),
  );
  const isObject = sub(1, slice(targets, 2, 0, 1));
  const offset = reduceSum(mul(mul(difference, difference), isObject), [2]);
  return reduceMean(add(add(crossEntropy(0, shapeClasses), crossEntropy(shapeClasses, colourClasses)), offset), [0, 1]);
}

/** What the head should find in each scene, for images of `side` x `side` tokens in rows: [N, side side, targets]. */
export function objectTargets(scenes: readonly Scene[], side: number): FloatTensor {
  const targets = floatTensor([scenes.length, side * side, targetWidth]);
  const pixels = imageSize / side;
  for (const [index, { objects }] of scenes.entries()) {
    for (let token = 0; token < side * side; token++) {
      const x = ((token % side) + 0.5) * pixels;
      const y = (Math.floor(token / side) + 0.5) * pixels;
      const object = objects.find((at) => Math.max(Math.abs(x - at.x), Math.abs(y - at.y)) <= at.radius + margin);
      const row = targets.data.subarray((index * side * side + token) * targetWidth).subarray(0, targetWidth);
      row[object ? 1 + shapes.indexOf(object.shape) : 0] = 1;
      row[shapeClasses + (object ? 1 + colours.indexOf(object.colour) : 0)] = 1;
      if (object)
        row.set([(object.x - x) / object.radius, (object.y - y) / object.radius], shapeClasses + colourClasses);
    }
  }
  return targets;
}
