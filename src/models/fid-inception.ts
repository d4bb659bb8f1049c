/**
 * @file The Inception network of FID (arXiv 1512.00567, 1706.08500): TensorFlow's of 2015 as in pytorch-fid (inception.py),
 * which differs from torchvision's in its pooling: averages exclude the padding, and the last block uses max pooling.
 */

import type { Value } from "../graph/ir.js";
import { add, concat, conv2d, div, mul, reduceMean, relu, reshape, sqrt, sub } from "../graph/ops.js";
import { averagePool3Same, maxPool, maxPool3Same } from "./pooling.js";
import { module } from "./weights.js";

/** Side of the input images in pixels. */
export const inceptionSide = 299;
/** Length of the features that FID compares. */
export const inceptionWidth = 2048;

/** The classifier after the features, and PyTorch's batch counters. */
export const inceptionIgnoredKeys: readonly RegExp[] = [/^fc\./, /^AuxLogits\./, /\.num_batches_tracked$/];

interface ConvolutionShape {
  /** [height, width], or one number for both. */
  readonly kernel?: number | readonly [number, number];
  readonly stride?: number;
  /** Zeros on each side; default: as many as keep the size at stride 1. */
  readonly padding?: number;
}

/** Images [N, 3, 299, 299] in -1..1 -> features [N, 2048], the mean over the last 8 x 8 positions. */
export const fidInception = module((w, pixels: Value): Value => {
  const valid = { kernel: 3, padding: 0 };
  let x = block(w.scope("Conv2d_1a_3x3"), pixels, 32, { ...valid, stride: 2 });
  x = block(w.scope("Conv2d_2a_3x3"), x, 32, valid);
  x = block(w.scope("Conv2d_2b_3x3"), x, 64, { kernel: 3 });
  x = maxPool(x, 3, 2);
  x = block(w.scope("Conv2d_3b_1x1"), x, 80);
  x = block(w.scope("Conv2d_4a_3x3"), x, 192, valid);
  x = maxPool(x, 3, 2);
  for (const [name, pooled] of [
    ["Mixed_5b", 32],
    ["Mixed_5c", 64],
    ["Mixed_5d", 64],
  ] as const) {
    x = mixedA(w.scope(name), x, pooled);
  }
  x = mixedB(w.scope("Mixed_6a"), x);
  for (const [name, width] of [
    ["Mixed_6b", 128],
    ["Mixed_6c", 160],
    ["Mixed_6d", 160],
    ["Mixed_6e", 192],
  ] as const) {
    x = mixedC(w.scope(name), x, width);
  }
  x = mixedD(w.scope("Mixed_7a"), x);
  x = mixedE(w.scope("Mixed_7b"), x, averagePool3Same);
  x = mixedE(w.scope("Mixed_7c"), x, maxPool3Same);
  return reduceMean(x, [2, 3]);
});

/** Convolution without bias, batch normalisation with running statistics, relu. */
const block = module((w, x: Value, width: number, shape: ConvolutionShape = {}): Value => {
  const { kernel = 1, stride = 1, padding } = shape;
  const [height, breadth] = typeof kernel === "number" ? [kernel, kernel] : kernel;
  const [down, across] = padding === undefined ? [(height - 1) / 2, (breadth - 1) / 2] : [padding, padding];
  const weight = w.scope("conv").tensor("weight", [width, x.dim(1), height, breadth]);
  const of = (key: string) => w.scope("bn").tensor(key, [width]);
  const scale = div(of("weight"), sqrt(add(of("running_var"), 1e-3)));
  // Folded into the convolution, since a kernel has fewer elements than its result.
  const scaled = mul(weight, reshape(scale, [width, 1, 1, 1]));
  const bias = sub(of("bias"), mul(of("running_mean"), scale));
  const attributes = {
    strides: [stride, stride],
    pads: [down, across, down, across],
    dilations: [1, 1],
  } as const;
  return relu(conv2d(x, scaled, attributes, bias));
});

const mixedA = module((w, x: Value, pooledWidth: number): Value => {
  const one = block(w.scope("branch1x1"), x, 64);
  const five = block(w.scope("branch5x5_2"), block(w.scope("branch5x5_1"), x, 48), 64, { kernel: 5 });
  const double = block(
    w.scope("branch3x3dbl_3"),
    block(w.scope("branch3x3dbl_2"), block(w.scope("branch3x3dbl_1"), x, 64), 96, { kernel: 3 }),
    96,
    { kernel: 3 },
  );
  const pooled = block(w.scope("branch_pool"), averagePool3Same(x), pooledWidth);
  return concat([one, five, double, pooled], 1);
});

/** Halves the size. */
const mixedB = module((w, x: Value): Value => {
  const halving = { kernel: 3, stride: 2, padding: 0 };
  const three = block(w.scope("branch3x3"), x, 384, halving);
  const double = block(
    w.scope("branch3x3dbl_3"),
    block(w.scope("branch3x3dbl_2"), block(w.scope("branch3x3dbl_1"), x, 64), 96, { kernel: 3 }),
    96,
    halving,
  );
  return concat([three, double, maxPool(x, 3, 2)], 1);
});

const row = { kernel: [1, 7] } as const;
const column = { kernel: [7, 1] } as const;

const mixedC = module((w, x: Value, width: number): Value => {
  const chain = (name: string, widths: readonly number[], shapes: readonly ConvolutionShape[]) =>
    widths.reduce((y, each, index) => block(w.scope(`${name}_${index + 1}`), y, each, shapes[index]), x);
  const one = block(w.scope("branch1x1"), x, 192);
  const seven = chain("branch7x7", [width, width, 192], [{}, row, column]);
  const double = chain("branch7x7dbl", [width, width, width, width, 192], [{}, column, row, column, row]);
  const pooled = block(w.scope("branch_pool"), averagePool3Same(x), 192);
  return concat([one, seven, double, pooled], 1);
});

/** Halves the size. */
const mixedD = module((w, x: Value): Value => {
  const halving = { kernel: 3, stride: 2, padding: 0 };
  const three = block(w.scope("branch3x3_2"), block(w.scope("branch3x3_1"), x, 192), 320, halving);
  let seven = block(w.scope("branch7x7x3_1"), x, 192);
  seven = block(w.scope("branch7x7x3_2"), seven, 192, row);
  seven = block(w.scope("branch7x7x3_3"), seven, 192, column);
  seven = block(w.scope("branch7x7x3_4"), seven, 192, halving);
  return concat([three, seven, maxPool(x, 3, 2)], 1);
});

const mixedE = module((w, x: Value, pool: (x: Value) => Value): Value => {
  const forked = (name: string, y: Value) => [
    block(w.scope(`${name}a`), y, 384, { kernel: [1, 3] }),
    block(w.scope(`${name}b`), y, 384, { kernel: [3, 1] }),
  ];
  const one = block(w.scope("branch1x1"), x, 320);
  const three = forked("branch3x3_2", block(w.scope("branch3x3_1"), x, 384));
  const inner = block(w.scope("branch3x3dbl_2"), block(w.scope("branch3x3dbl_1"), x, 448), 384, { kernel: 3 });
  const pooled = block(w.scope("branch_pool"), pool(x), 192);
  return concat([one, ...three, ...forked("branch3x3dbl_3", inner), pooled], 1);
});
