/** @file Cases of products, attention, normalisations and convolutions. */

import type { ConvolutionAttributes } from "../../graph/operators/attributes.js";
import { any, type Cases } from "./case.js";

type Names =
  | "matmul"
  | "gemm"
  | "attention"
  | "layerNormalization"
  | "groupNormalization"
  | "gelu"
  | "conv2d"
  | "convTranspose2d"
  | "upsampleNearest";

const plain: ConvolutionAttributes = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };

const [normal, first, second, both] = [
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: true },
];

export const networkCases: Cases<Names> = {
  matmul: [
    { inputs: [any(3, 5), any(5, 2)], attributes: normal },
    { inputs: [any(5, 3), any(5, 2)], attributes: first },
    { inputs: [any(3, 5), any(2, 5)], attributes: second },
    { inputs: [any(5, 3), any(2, 5)], attributes: both },
    { inputs: [any(2, 3, 5), any(5, 2)], attributes: normal },
    { inputs: [any(3, 5), any(2, 2, 5)], attributes: second },
    { inputs: [any(2, 1, 5, 3), any(3, 5, 2)], attributes: first },
    { inputs: [any(3, 1, 5, 1), any(1, 2, 3, 5)], attributes: both },
    { inputs: [any(2, 1, 5), any(2, 5, 1)], attributes: normal },
  ],
  gemm: [
    { inputs: [any(3, 5), any(5, 2)], attributes: normal },
    { inputs: [any(3, 5), any(5, 2), any(2)], attributes: normal },
    { inputs: [any(5, 3), any(5, 2), any(2)], attributes: first },
    { inputs: [any(3, 5), any(2, 5), any(2)], attributes: second },
    { inputs: [any(5, 3), any(2, 5), any(2)], attributes: both },
    { inputs: [any(1, 5), any(5, 1), any(1)], attributes: normal },
  ],
  attention: [
    { inputs: [any(2, 3, 8), any(2, 5, 8), any(2, 5, 8)], attributes: { heads: 2, scale: 0.5, lastKeyCount: 1 } },
    { inputs: [any(1, 3, 6), any(1, 3, 6), any(1, 3, 6)], attributes: { heads: 3, scale: 2 ** -0.5, lastKeyCount: 1 } },
    { inputs: [any(1, 5, 3), any(1, 2, 3), any(1, 2, 3)], attributes: { heads: 1, scale: 1, lastKeyCount: 1 } },
    { inputs: [any(2, 3, 4), any(2, 1, 4), any(2, 1, 4)], attributes: { heads: 2, scale: 0.7, lastKeyCount: 1 } },
    {
      inputs: [any(2, 3, 4), any(2, 5, 4), any(2, 5, 4), any(2, 2, 3, 5)],
      attributes: { heads: 2, scale: 0.7, lastKeyCount: 1 },
    },
    {
      inputs: [any(2, 3, 4), any(2, 5, 4), any(2, 5, 4), any(1, 2, 3, 5)],
      attributes: { heads: 2, scale: 0.7, lastKeyCount: 1 },
    },
    {
      inputs: [any(2, 3, 4), any(2, 5, 4), any(2, 5, 4), any(2, 1, 3, 5)],
      attributes: { heads: 2, scale: 0.7, lastKeyCount: 1 },
    },
    {
      inputs: [any(2, 3, 4), any(2, 5, 4), any(2, 5, 4), any(1, 1, 3, 5)],
      attributes: { heads: 2, scale: 0.7, lastKeyCount: 1 },
    },
    { inputs: [any(2, 3, 8), any(2, 5, 8), any(2, 5, 8)], attributes: { heads: 2, scale: 0.5, lastKeyCount: 7 } },
    { inputs: [any(1, 3, 3), any(1, 1, 3), any(1, 1, 3)], attributes: { heads: 1, scale: 1, lastKeyCount: 2 } },
    {
      inputs: [any(2, 3, 4), any(2, 5, 4), any(2, 5, 4), any(1, 2, 3, 5)],
      attributes: { heads: 2, scale: 0.7, lastKeyCount: 3 },
    },
  ],
  layerNormalization: [
    { inputs: [any(3, 5)], attributes: { epsilon: 1e-5 } },
    { inputs: [any(2, 3, 7)], attributes: { epsilon: 1e-6 } },
    { inputs: [any(7)], attributes: { epsilon: 0.25 } },
  ],
  groupNormalization: [
    { inputs: [any(2, 6, 3, 1)], attributes: { groups: 3, epsilon: 1e-5 } },
    { inputs: [any(1, 4, 3, 5)], attributes: { groups: 1, epsilon: 1e-6 } },
    { inputs: [any(2, 3, 5)], attributes: { groups: 3, epsilon: 0.25 } },
    { inputs: [any(2, 6)], attributes: { groups: 2, epsilon: 1e-5 } },
  ],
  gelu: [
    { inputs: [any(3, 5)], attributes: { approximate: "none" } },
    { inputs: [any(3, 5)], attributes: { approximate: "tanh" } },
  ],
  conv2d: [
    { inputs: [any(2, 3, 5, 4), any(2, 3, 3, 3)], attributes: { ...plain, pads: [1, 1, 1, 1] } },
    { inputs: [any(1, 2, 4, 5), any(3, 2, 1, 1)], attributes: plain },
    { inputs: [any(2, 2, 4, 3), any(3, 2, 3, 1), any(3)], attributes: { ...plain, pads: [1, 0, 1, 0] } },
    { inputs: [any(1, 2, 5, 4), any(3, 2, 3, 2)], attributes: plain },
    { inputs: [any(1, 2, 5, 6), any(2, 2, 3, 3)], attributes: { ...plain, pads: [0, 1, 2, 0] } },
    { inputs: [any(1, 2, 6, 5), any(2, 2, 3, 3)], attributes: { ...plain, strides: [2, 2], pads: [1, 1, 1, 1] } },
    // Large enough for the VJP to be a convolution.
    { inputs: [any(1, 1, 26, 25), any(2, 1, 3, 2)], attributes: { ...plain, pads: [2, 1, 0, 0] } },
    { inputs: [any(2, 2, 16, 17), any(1, 2, 3, 3), any(1)], attributes: { ...plain, pads: [1, 1, 1, 1] } },
    { inputs: [any(1, 2, 27, 27), any(2, 2, 2, 3)], attributes: { ...plain, dilations: [2, 3], pads: [0, 4, 2, 1] } },
    { inputs: [any(1, 2, 23, 24), any(3, 2, 1, 1)], attributes: plain },
    // The padding of diffusers' downsampling, at the bottom and right only, which leaves a row unused.
    { inputs: [any(2, 2, 6, 5), any(1, 2, 3, 3)], attributes: { ...plain, strides: [2, 2], pads: [0, 0, 1, 1] } },
    { inputs: [any(1, 1, 7, 5), any(2, 1, 2, 3)], attributes: { ...plain, strides: [2, 1], pads: [1, 0, 0, 2] } },
    { inputs: [any(1, 1, 8, 9), any(1, 1, 2, 2)], attributes: { ...plain, strides: [3, 4] } },
    { inputs: [any(1, 2, 7, 8), any(2, 2, 3, 2)], attributes: { ...plain, dilations: [2, 3], pads: [2, 0, 1, 3] } },
    {
      inputs: [any(1, 2, 9, 8), any(2, 2, 3, 3)],
      attributes: { strides: [2, 2], pads: [2, 1, 1, 2], dilations: [2, 2] },
    },
    {
      inputs: [any(1, 2, 6, 4), any(2, 2, 2, 2)],
      attributes: { strides: [4, 4], pads: [0, 0, 0, 0], dilations: [1, 1] },
    },
  ],
  convTranspose2d: [
    { inputs: [any(2, 3, 3, 4), any(3, 2, 3, 3)], attributes: { ...plain, outputPadding: [0, 0] } },
    {
      inputs: [any(1, 2, 3, 4), any(2, 3, 3, 3)],
      attributes: { ...plain, strides: [2, 2], pads: [1, 1, 1, 1], outputPadding: [1, 1] },
    },
    {
      inputs: [any(1, 2, 3, 2), any(2, 1, 2, 3)],
      attributes: { ...plain, strides: [2, 1], pads: [0, 1, 1, 0], outputPadding: [1, 0] },
    },
    {
      inputs: [any(2, 1, 2, 3), any(1, 2, 3, 2)],
      attributes: { strides: [2, 2], pads: [1, 0, 2, 1], dilations: [2, 1], outputPadding: [0, 1] },
    },
  ],
  upsampleNearest: [
    { inputs: [any(2, 3, 2, 1)], attributes: { scale: 2 } },
    { inputs: [any(1, 1, 3, 5)], attributes: { scale: 3 } },
  ],
};
