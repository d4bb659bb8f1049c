/**
 * @file convTranspose2d at stride 1 (the gradient of a convolution with respect to its input) in faster operators: ConvTranspose
 * takes 1.2 to 1.9 times as long as the convolution in onnxruntime, and 4 times as long in OpenVINO's bf16.
 */

import type { Tuple } from "../../core/lists.js";
import { GraphError } from "../error.js";
import type { Value } from "../ir.js";
import type { Target } from "../onnx/model.js";
import * as ops from "../ops.js";
import { dims } from "../shapes.js";
import type { ConvolutionAttributes, OperatorAttributes } from "./attributes.js";

/**
 * Output pixels of the batch from which `flippedInput` is faster than `col2im`: transposing the kernel's channels costs the same for
 * any number of pixels, while the cost of col2im grows with it.
 */
const minPixelsForFlippedInput = 512;

/** Kernel elements that are flipped in the time of one activation element: measured at 320 to 1280 channels in onnxruntime. */
const kernelElementsPerActivation = 3;

type Adjoint = (dy: Value, kernel: Value, attributes: ConvolutionAttributes) => Value;

/** Three methods for convTranspose2d at stride 1, which differ in the operand that they rearrange. */
export const adjointMethods = { flippedKernel, flippedInput, col2im } as const satisfies Record<string, Adjoint>;

/** convTranspose2d of `dy` [N, O, h, w] and `kernel` [O, I, kh, kw]; null for strides, output padding and pads wider than the kernel. */
export function convolutionAdjoint(
  dy: Value,
  kernel: Value,
  attributes: OperatorAttributes["convTranspose2d"],
  target: Target,
): Value | null {
  const { strides, outputPadding } = attributes;
  if (strides.some((stride) => stride !== 1) || outputPadding.some((padding) => padding !== 0)) return null;
  if (Math.min(...adjointPads(kernel, attributes)) < 0) return null;
  return adjointMethods[fastestMethod(dims(dy, 4), dims(kernel, 4), target)](dy, kernel, attributes);
}

/** For `dy` [N, O, h, w] and a kernel [O, I, kh, kw]. */
export function fastestMethod(
  [batch, , rows, columns]: Tuple<number, 4>,
  [outputs, inputs, height, width]: Tuple<number, 4>,
  { repacksWeights }: Pick<Target, "repacksWeights">,
): keyof typeof adjointMethods {
  const pixels = batch * rows * columns;
  // Both dy and the result are flipped.
  const small = outputs * inputs * height * width < kernelElementsPerActivation * (outputs + inputs) * pixels;
  if (repacksWeights || small) return "flippedKernel";
  return pixels < minPixelsForFlippedInput ? "col2im" : "flippedInput";
}

/** Pads of the adjoint convolution [top, left, bottom, right]: the kernel's extent minus the original pads. */
function adjointPads(kernel: Value, { pads, dilations }: ConvolutionAttributes) {
  const [height, width] = [dilations[0] * (kernel.dim(2) - 1), dilations[1] * (kernel.dim(3) - 1)];
  return [height - pads[0], width - pads[1], height - pads[2], width - pads[3]] as const;
}

function flippedKernel(dy: Value, kernel: Value, attributes: ConvolutionAttributes): Value {
  const { strides, dilations } = attributes;
  const pads = adjointPads(kernel, attributes);
  return ops.conv2d(dy, swapChannels(ops.reverse(kernel, [2, 3])), { strides, dilations, pads });
}

function flippedInput(dy: Value, kernel: Value, attributes: ConvolutionAttributes): Value {
  const { strides, dilations } = attributes;
  const [top, left, bottom, right] = adjointPads(kernel, attributes);
  // Flipping the input exchanges the pads of opposite sides.
  const flipped = { strides, dilations, pads: [bottom, right, top, left] } as const;
  // A 1x1 kernel equals its flip.
  if (kernel.dim(2) * kernel.dim(3) === 1) return ops.conv2d(dy, swapChannels(kernel), flipped);
  return flipPixels(ops.conv2d(flipPixels(dy), swapChannels(kernel), flipped));
}

/** Multiplies the kernel in its stored layout by dy, which gives one patch per output pixel, and sums overlapping patches (col2im). */
function col2im(dy: Value, kernel: Value, { pads, dilations }: ConvolutionAttributes): Value {
  const [outputs, inputs, kernelHeight, kernelWidth] = dims(kernel, 4);
  const [batch, , height, width] = dims(dy, 4);
  const matrix = ops.reshape(kernel, [outputs, inputs * kernelHeight * kernelWidth]);
  const pixels = ops.reshape(ops.transpose(dy, [1, 0, 2, 3]), [outputs, batch * height * width]);
  const columns = ops.gemm(matrix, pixels, null, { transposeA: true });
  const patches = ops.reshape(columns, [inputs, kernelHeight * kernelWidth, batch, height, width]);
  const [extentDown, extentRight] = [dilations[0] * (kernelHeight - 1), dilations[1] * (kernelWidth - 1)];
  let sum: Value | null = null;
  for (let row = 0; row < kernelHeight; row++) {
    for (let column = 0; column < kernelWidth; column++) {
      const index = row * kernelWidth + column;
      const part = ops.reshape(ops.slice(patches, 1, index, index + 1), [inputs, batch, height, width]);
      const [down, right] = [row * dilations[0], column * dilations[1]];
      const placed = ops.pad(ops.pad(part, 2, down, extentDown - down), 3, right, extentRight - right);
      sum = sum === null ? placed : ops.add(sum, placed);
    }
  }
  if (sum === null) throw new GraphError("conv2d: a kernel without pixels");
  const rows = ops.slice(sum, 2, pads[0], height + extentDown - pads[2]);
  const cropped = ops.slice(rows, 3, pads[1], width + extentRight - pads[3]);
  return ops.transpose(cropped, [1, 0, 2, 3]);
}

/** [O, I, kh, kw] -> [I, O, kh, kw]. */
function swapChannels(kernel: Value): Value {
  return ops.transpose(kernel, [1, 0, 2, 3]);
}

/** Flips height and width, which reverses the order of all pixels. */
function flipPixels(image: Value): Value {
  const [first, second, height, width] = dims(image, 4);
  if (height * width === 1) return image;
  return ops.reshape(ops.reverse(ops.reshape(image, [first, second, height * width]), [2]), image.shape);
}
