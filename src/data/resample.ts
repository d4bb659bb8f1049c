/**
 * @file Pillow's antialiased resize of 8-bit images, bit for bit, and PyTorch's bilinear interpolation.
 *
 * Metrics are defined with these kernels, and other libraries' "bicubic" differs by several levels (their parameter is not
 * -0.5, or they do not widen the kernel when downsampling), which changes scores and FID
 * (github.com/Lightning-AI/torchmetrics/issues/3130).
 */

import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";

/** An 8-bit RGB image, interleaved, rows from top to bottom. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export type Kernel = "bilinear" | "bicubic";

interface Filter {
  /** Half its width in source pixels, without downsampling. */
  readonly support: number;
  readonly at: (x: number) => number;
}

const filters: Readonly<Record<Kernel, Filter>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -0.5.
  bicubic: {
    support: 2,
    at: (x) => {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    },
  },
};

/** Fractional bits of a weight, such that a sum of weighted bytes fits in 32 bits. */
const precisionBits = 22;

/** For each target pixel, the index of its first source pixel, and the fixed-point weights from there on. */
interface Taps {
  readonly first: Int32Array;
  readonly weights: readonly Int32Array[];
}

/** Resizes an image (Pillow's Image.resize: columns first, then rows, rounded to bytes in between). */
export function resizeImage(image: RgbImage, width: number, height: number, kernel: Kernel): RgbImage {
  requireSize(width, height);
  const across = image.width === width ? image : resizeColumns(image, width, kernel);
  return across.height === height ? across : resizeRows(across, height, kernel);
}

function requireSize(width: number, height: number): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new InputError(`an image cannot be resized to ${width} x ${height} pixels`);
  }
}

function tapsOf(from: number, to: number, kernel: Kernel): Taps {
  const filter = filters[kernel];
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const support = filter.support * widening;
  const first = new Int32Array(to);
  const weights = Array.from({ length: to }, (_, target) => {
    const centre = (target + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: end - start }, (_, i) => filter.at((start + i - centre + 0.5) / widening));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    first[target] = start;
    return Int32Array.from(raw, (weight) => {
      const scaled = (weight / total) * 2 ** precisionBits;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
  });
  return { first, weights };
}

/** Resizes one row or column of one channel, whose bytes are `step` apart. */
function resizeRun(
  source: Uint8Array,
  target: Uint8Array,
  { first, weights }: Taps,
  line: { readonly from: number; readonly to: number; readonly step: number },
): void {
  for (let i = 0; i < first.length; i++) {
    const taps = at(weights, i);
    let from = line.from + at(first, i) * line.step;
    let sum = 1 << (precisionBits - 1);
    for (const tap of taps) {
      sum += (source[from] as number) * tap;
      from += line.step;
    }
    const value = sum >> precisionBits;
    target[line.to + i * line.step] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
}

function resizeColumns({ width, height, data }: RgbImage, target: number, kernel: Kernel): RgbImage {
  const taps = tapsOf(width, target, kernel);
  const resized = new Uint8Array(3 * target * height);
  for (let row = 0; row < height; row++) {
    for (let channel = 0; channel < 3; channel++) {
      const line = { from: 3 * row * width + channel, to: 3 * row * target + channel, step: 3 };
      resizeRun(data, resized, taps, line);
    }
  }
  return { width: target, height, data: resized };
}

function resizeRows({ width, height, data }: RgbImage, target: number, kernel: Kernel): RgbImage {
  const taps = tapsOf(height, target, kernel);
  const resized = new Uint8Array(3 * width * target);
  const step = 3 * width;
  for (let column = 0; column < step; column++) resizeRun(data, resized, taps, { from: column, to: column, step });
  return { width, height: target, data: resized };
}

/** Crops the centre of an image, and pads a smaller one with black. `halves` is the rounding of half-pixel offsets. */
export function cropCentre(image: RgbImage, width: number, height: number, halves: "down" | "even"): RgbImage {
  requireSize(width, height);
  const cut = new Uint8Array(3 * width * height);
  const [left, top] = [offset(image.width, width, halves), offset(image.height, height, halves)];
  for (let row = Math.max(0, -top); row < height && row + top < image.height; row++) {
    const from = Math.max(0, left);
    const to = Math.min(image.width, left + width);
    const start = 3 * ((row + top) * image.width + from);
    cut.set(image.data.subarray(start, start + 3 * (to - from)), 3 * (row * width + from - left));
  }
  return { width, height, data: cut };
}

/** Offset of a crop; negative for padding, of which the smaller half goes first. */
function offset(from: number, to: number, halves: "down" | "even"): number {
  if (from < to) return -Math.floor((to - from) / 2);
  const half = (from - to) / 2;
  if (Number.isInteger(half)) return half;
  return halves === "down" ? Math.floor(half) : 2 * Math.round(half / 2);
}

/**
 * PyTorch's interpolate(mode="bilinear", align_corners=False) of [3,H,W]: two neighbours per axis without antialiasing, as in
 * pytorch-fid.
 */
export function interpolateBilinear(image: FloatTensor, width: number, height: number): FloatTensor {
  requireSize(width, height);
  const [channels = 0, sourceHeight = 0, sourceWidth = 0] = image.shape;
  const [columns, rows] = [neighbours(sourceWidth, width), neighbours(sourceHeight, height)];
  const resized = floatTensor([channels, height, width]);
  let to = 0;
  for (let channel = 0; channel < channels; channel++) {
    const plane = image.data.subarray(channel * sourceHeight * sourceWidth, (channel + 1) * sourceHeight * sourceWidth);
    for (const [top, bottom, down] of rows) {
      for (const [left, right, across] of columns) {
        const pixel = (row: number, column: number) => plane[row * sourceWidth + column] as number;
        const upper = (1 - across) * pixel(top, left) + across * pixel(top, right);
        const lower = (1 - across) * pixel(bottom, left) + across * pixel(bottom, right);
        resized.data[to++] = (1 - down) * upper + down * lower;
      }
    }
  }
  return resized;
}

/** The two source pixels of each target pixel, and the weight of the second. */
function neighbours(from: number, to: number): (readonly [number, number, number])[] {
  return Array.from({ length: to }, (_, target) => {
    const at = Math.max(0, ((target + 0.5) * from) / to - 0.5);
    const first = Math.min(Math.floor(at), from - 1);
    return [first, Math.min(first + 1, from - 1), at - first] as const;
  });
}
