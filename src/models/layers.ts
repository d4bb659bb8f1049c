/** @file Layers that several networks share, with PyTorch's key names. */

import { floatTensor } from "../core/tensor.js";
import type { Value } from "../graph/ir.js";
import {
  add,
  attention,
  cast,
  concat,
  constant,
  conv2d,
  cos,
  gather,
  gemm,
  greater,
  groupNormalization,
  layerNormalization,
  mul,
  reciprocal,
  reduceMean,
  reshape,
  sigmoid,
  sin,
  sqrt,
  where,
} from "../graph/ops.js";
import { module } from "./weights.js";

/** x W^T + b over the last axis, for x [..., in]; keys `weight` [out, in] and, unless `bias` is false, `bias` [out]. */
export const linear = module((w, x: Value, outputWidth: number, { bias = true } = {}): Value => {
  const inputWidth = x.dim(-1);
  const weight = w.tensor("weight", [outputWidth, inputWidth]);
  const flat = reshape(x, [-1, inputWidth]);
  const product = gemm(flat, weight, bias ? w.tensor("bias", [outputWidth]) : null, { transposeB: true });
  return reshape(product, [...x.shape.slice(0, -1), outputWidth]);
});

/** Layer normalisation over the last axis with keys `weight` and `bias`. */
export const layerNorm = module((w, x: Value, epsilon: number): Value => {
  const width = x.dim(-1);
  return add(mul(layerNormalization(x, epsilon), w.tensor("weight", [width])), w.tensor("bias", [width]));
});

/** x / rms(x) * weight over the last axis (arXiv 1910.07467); key `weight`. */
export const rmsNorm = module((w, x: Value, epsilon: number): Value => {
  const meanSquare = reduceMean(mul(x, x), [-1], { keepDims: true });
  return mul(mul(x, reciprocal(sqrt(add(meanSquare, epsilon)))), w.tensor("weight", [x.dim(-1)]));
});

/** Group normalisation of [N, C, H, W] with keys `weight` and `bias` [C]. */
export const groupNorm = module((w, x: Value, groups: number, epsilon: number): Value => {
  const channels = x.dim(1);
  const perChannel = (key: string) => reshape(w.tensor(key, [channels]), [channels, 1, 1]);
  return add(mul(groupNormalization(x, groups, epsilon), perChannel("weight")), perChannel("bias"));
});

/** Convolution with keys `weight` [out, in, k, k] and, unless `bias` is false, `bias` [out]; `padding` on all sides unless four are given. */
export const convolution = module(
  (
    w,
    x: Value,
    outputChannels: number,
    options: {
      readonly kernel: number;
      readonly stride?: number;
      readonly padding?: number | readonly [number, number, number, number];
      readonly bias?: boolean;
    },
  ): Value => {
    const { kernel, stride = 1, padding = (kernel - 1) / 2, bias = true } = options;
    const weight = w.tensor("weight", [outputChannels, x.dim(1), kernel, kernel]);
    const attributes = {
      strides: [stride, stride],
      dilations: [1, 1],
      pads: typeof padding === "number" ? ([padding, padding, padding, padding] as const) : padding,
    } as const;
    return conv2d(x, weight, attributes, bias ? w.tensor("bias", [outputChannels]) : null);
  },
);

/** Attention whose result is kept across activation checkpoints, since it takes the most compute for the least memory. */
export function attend(...operands: Parameters<typeof attention>): Value {
  return operands[0].graph.keep(attention(...operands));
}

/** Rows of the table `weight` [count, width], as float32; reads only the rows at `indices`. */
export const embedding = module((w, indices: Value, count: number, width: number): Value => {
  return cast(gather(w.stored("weight", [count, width]), indices), "float32");
});

export function clamp(x: Value, low: number, high: number): Value {
  const capped = where(greater(x, high), high, x);
  return where(greater(low, capped), low, capped);
}

export function silu(x: Value): Value {
  return mul(x, sigmoid(x));
}

/** x sigmoid(1.702 x), the activation of OpenAI's CLIP. */
export function quickGelu(x: Value): Value {
  return mul(x, sigmoid(mul(x, 1.702)));
}

/**
 * Sinusoidal embedding [N, width] of timesteps [N], cosines first (diffusers get_timestep_embedding with
 * flip_sin_to_cos = true and downscale_freq_shift = 0).
 */
export function timestepEmbedding(timestep: Value, width: number): Value {
  const half = width / 2;
  // Rounded as the reference's float32 tensors: at timestep 1000, the last bit of a frequency changes the angle's fifth digit.
  const logarithm = Math.fround(-Math.log(10000));
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(logarithm * i) / half)),
  );
  const angles = mul(reshape(timestep, [-1, 1]), constant(timestep.graph, floatTensor([1, half], frequencies)));
  return concat([cos(angles), sin(angles)], 1);
}
