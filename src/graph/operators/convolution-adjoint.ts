/**
 * @file convTranspose2d at stride 1, which is the gradient of a convolution towards its input, in faster operators: ConvTranspose
 * takes 1.2 to 1.9 times as long as the convolution in onnxruntime, and 4 times in OpenVINO's bf16.
 */

import type { Tuple } from "../../core/lists.js";
import { GraphError } from "../error.js";
import type { Value } from "../ir.js";
import type { Target } from "../onnx/model.js";
import * as ops from "../ops.js";
import { dims } from "../shapes.js";
import type { ConvolutionAttributes, OperatorAttributes } from "./attributes.js";

/**
 * Output pixels of all images from which on it pays to put the kernel's channels in the other order: that costs the same for any
 * number of pixels, while summing up patches costs more the more there are.
 */
const pixelsWorthTransposing = 512;

/** Numbers of a kernel that are turned in the time of one number of the images: measured at 320 to 1280 channels in onnxruntime. */
const kernelNumbersAnImageNumber = 3;

type Adjoint = (dy: Value, kernel: Value, attributes: ConvolutionAttributes) => Value;

/** What convTranspose2d gives at stride 1, in three ways that differ in what they put into another order. */
export const adjointWays = { turnedKernel, turnedImages, sumOfPatches } as const satisfies Record<string, Adjoint>;

/** What convTranspose2d gives for `dy` [N, O, h, w] and `kernel` [O, I, kh, kw]; null for strides, output padding and pads wider than the kernel. */
export function convolutionAdjoint(
  dy: Value,
  kernel: Value,
  attributes: OperatorAttributes["convTranspose2d"],
  target: Target,
): Value | null {
  const { strides, outputPadding } = attributes;
  if (strides.some((stride) => stride !== 1) || outputPadding.some((padding) => padding !== 0)) return null;
  if (Math.min(...remainingPads(kernel, attributes)) < 0) return null;
  return adjointWays[fastestWay(dims(dy, 4), dims(kernel, 4), target)](dy, kernel, attributes);
}

/** For `dy` [N, O, h, w] and a kernel [O, I, kh, kw]. */
export function fastestWay(
  [batch, , rows, columns]: Tuple<number, 4>,
  [outputs, inputs, height, width]: Tuple<number, 4>,
  { repacksWeights }: Pick<Target, "repacksWeights">,
): keyof typeof adjointWays {
  const pixels = batch * rows * columns;
  // The images are two, the one before and the one after.
  const small = outputs * inputs * height * width < kernelNumbersAnImageNumber * (outputs + inputs) * pixels;
  if (repacksWeights || small) return "turnedKernel";
  return pixels < pixelsWorthTransposing ? "sumOfPatches" : "turnedImages";
}

/** Top, left, bottom, right: what the kernel reaches beyond the image less what was padded. */
function remainingPads(kernel: Value, { pads, dilations }: ConvolutionAttributes) {
  const [height, width] = [dilations[0] * (kernel.dim(2) - 1), dilations[1] * (kernel.dim(3) - 1)];
  return [height - pads[0], width - pads[1], height - pads[2], width - pads[3]] as const;
}

function turnedKernel(dy: Value, kernel: Value, attributes: ConvolutionAttributes): Value {
  const { strides, dilations } = attributes;
  const pads = remainingPads(kernel, attributes);
  return ops.conv2d(dy, swapChannels(ops.reverse(kernel, [2, 3])), { strides, dilations, pads });
}

function turnedImages(dy: Value, kernel: Value, attributes: ConvolutionAttributes): Value {
  const { strides, dilations } = attributes;
  const [top, left, bottom, right] = remainingPads(kernel, attributes);
  // Turned around, what was before the image is behind it.
  const around = { strides, dilations, pads: [bottom, right, top, left] } as const;
  // A kernel of one pixel looks the same from both sides.
  if (kernel.dim(2) * kernel.dim(3) === 1) return ops.conv2d(dy, swapChannels(kernel), around);
  return turnAround(ops.conv2d(turnAround(dy), swapChannels(kernel), around));
}

/** The kernel as it lies in memory, times dy: what each output pixel gives to its patch of the input, summed where patches overlap. */
function sumOfPatches(dy: Value, kernel: Value, { pads, dilations }: ConvolutionAttributes): Value {
  const [outputs, inputs, kernelHeight, kernelWidth] = dims(kernel, 4);
  const [batch, , height, width] = dims(dy, 4);
  const matrix = ops.reshape(kernel, [outputs, inputs * kernelHeight * kernelWidth]);
  const pixels = ops.reshape(ops.transpose(dy, [1, 0, 2, 3]), [outputs, batch * height * width]);
  const given = ops.gemm(matrix, pixels, null, { transposeA: true });
  const patches = ops.reshape(given, [inputs, kernelHeight * kernelWidth, batch, height, width]);
  const [reachDown, reachRight] = [dilations[0] * (kernelHeight - 1), dilations[1] * (kernelWidth - 1)];
  let sum: Value | null = null;
  for (let row = 0; row < kernelHeight; row++) {
    for (let column = 0; column < kernelWidth; column++) {
      const index = row * kernelWidth + column;
      const part = ops.reshape(ops.slice(patches, 1, index, index + 1), [inputs, batch, height, width]);
      const [down, right] = [row * dilations[0], column * dilations[1]];
      const placed = ops.pad(ops.pad(part, 2, down, reachDown - down), 3, right, reachRight - right);
      sum = sum === null ? placed : ops.add(sum, placed);
    }
  }
  if (sum === null) throw new GraphError("conv2d: a kernel without pixels");
  const rows = ops.slice(sum, 2, pads[0], height + reachDown - pads[2]);
  const cut = ops.slice(rows, 3, pads[1], width + reachRight - pads[3]);
  return ops.transpose(cut, [1, 0, 2, 3]);
}

/** [O, I, kh, kw] -> [I, O, kh, kw]. */
function swapChannels(kernel: Value): Value {
  return ops.transpose(kernel, [1, 0, 2, 3]);
}

/** Rows and columns backward, which is all pixels backward. */
function turnAround(image: Value): Value {
  const [first, second, height, width] = dims(image, 4);
  if (height * width === 1) return image;
  return ops.reshape(ops.reverse(ops.reshape(image, [first, second, height * width]), [2]), image.shape);
}
