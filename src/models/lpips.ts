/**
 * @file LPIPS with VGG16, a perceptual distance of two images (arXiv 1801.03924; the package lpips 0.1.4, `net="vgg"`, on
 * torchvision's VGG16, arXiv 1409.1556).
 */

import { zip } from "../core/lists.js";
import { floatTensor } from "../core/tensor.js";
import type { Value } from "../graph/ir.js";
import { add, constant, div, mul, reduceMean, reduceSum, relu, reshape, sqrt, sub } from "../graph/ops.js";
import type { Dialect } from "./dialect.js";
import { convolution } from "./layers.js";
import { maxPool } from "./pooling.js";
import { module, type Weights } from "./weights.js";

/** Widths of the convolutions of each of the five levels, and the index of the first one in torchvision's `features`. */
const levels: readonly { readonly width: number; readonly convolutions: readonly number[] }[] = [
  { width: 64, convolutions: [0, 2] },
  { width: 128, convolutions: [5, 7] },
  { width: 256, convolutions: [10, 12, 14] },
  { width: 512, convolutions: [17, 19, 21] },
  { width: 512, convolutions: [24, 26, 28] },
];

/** Minimum image side: each level halves the size, and smaller images would lose a level. */
export const smallestLpipsSide = 16;

/** Keys of a whole LPIPS model for its trunk, and for its linear layers, which it stores twice. */
export const vgg16Dialect: Dialect = [[/^net\.slice\d\.(\d+)\./, "features.$1."]];
export const lpipsDialect: Dialect = [
  [/^lins\.(\d)\./, "lin$1."],
  [/^lin\.(lin\d\.)/, "$1"],
];

/** The classifier of VGG16, which LPIPS does not use, and other keys of lpips. */
export const vgg16IgnoredKeys: readonly RegExp[] = [/^classifier\./, /^scaling_layer\./, /^lins?\d?\./];
export const lpipsIgnoredKeys: readonly RegExp[] = [/^net\./, /^scaling_layer\./, /^lins\./, /^features\./];

/** ImageNet's mean and standard deviation for images in -1..1. */
const shift = [-0.03, -0.088, -0.188];
const scale = [0.458, 0.448, 0.45];

/** Distances [N] of images a and b [N, 3, H, W] in -1..1; `trunk` has VGG16's weights, `linear` LPIPS's learnt ones. */
export function lpips(trunk: Weights, linear: Weights, a: Value, b: Value): Value {
  const [ofA, ofB] = [vgg16Features(trunk, normalized(a)), vgg16Features(trunk, normalized(b))];
  const distances = zip(ofA, ofB).map(([x, y], level) => levelDistance(linear.scope(`lin${level}`), x, y));
  return distances.reduce((sum, distance) => add(sum, distance));
}

/** Channel-weighted squared differences of unit-normalised features, [N]. */
const levelDistance = module((w, a: Value, b: Value): Value => {
  const width = a.dim(1);
  const difference = sub(unitNormalized(a), unitNormalized(b));
  const weights = reshape(w.tensor("model.1.weight", [1, width, 1, 1]), [width, 1, 1]);
  return reduceMean(reduceSum(mul(mul(difference, difference), weights), [1]), [1, 2]);
});

/** Features of each level after its last convolution, [N, width, h, w]. */
const vgg16Features = module((w, pixels: Value): Value[] => {
  let x = pixels;
  return levels.map(({ width, convolutions }, level) => {
    if (level > 0) x = maxPool(x, 2, 2);
    for (const index of convolutions) {
      x = relu(convolution(w.scope(`features.${index}`), x, width, { kernel: 3 }));
    }
    return x;
  });
});

function normalized(pixels: Value): Value {
  const perChannel = (values: readonly number[]) =>
    constant(pixels.graph, floatTensor([3, 1, 1], Float32Array.from(values)));
  return div(sub(pixels, perChannel(shift)), perChannel(scale));
}

/** Divides each pixel's features by their L2 norm. */
function unitNormalized(x: Value): Value {
  const length = sqrt(reduceSum(mul(x, x), [1], { keepDims: true }));
  return div(x, add(length, 1e-10));
}
