/**
 * @file Images cut into ground and patches.
 *
 * A blurred edge is a mixture of ground and object, so every pixel is explained as a point on the line from the ground to one
 * of the colours: the line that passes nearest names the colour, the place on it says how much of the pixel is object. Halos
 * thus count as the share that they are, and no edge of a white shape becomes a grey one.
 */

import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import { colourRgb, colours, imageSize, type Rgb } from "./scene.js";

const area = imageSize * imageSize;

/** Pixels that belong together: indices `row * 64 + column`. */
export type Patch = readonly number[];

export interface Segmentation {
  readonly ground: Rgb;
  /** The image as [0,1] values, three planes, lightly smoothed. */
  readonly smooth: Float32Array;
  /** How much of each pixel is object, from 0 to 1. */
  readonly cover: Float32Array;
  /** Number in `colours` of the colour that explains each pixel best. */
  readonly label: Uint8Array;
  /** Connected object pixels, specks left out. */
  readonly patches: readonly Patch[];
}

/** A pixel belongs to an object from this share on. */
const coverThreshold = 0.5;
/** Patches of fewer pixels are specks: the smallest shape covers about 80. */
export const speckPixels = 25;

/** `image` is [3,64,64] in [-1,1]. */
export function segment(image: FloatTensor): Segmentation {
  const smooth = smoothed(image.data);
  const ground = groundOf(smooth);
  const cover = new Float32Array(area);
  const label = new Uint8Array(area);
  explain(smooth, ground, cover, label);
  const patches = connected((pixel) => at(cover, pixel) >= coverThreshold).filter(
    ({ length }) => length >= speckPixels,
  );
  return { ground, smooth, cover, label, patches };
}

/** [-1,1] to [0,1] and a 3 x 3 binomial filter: noise falls to 3/8, edges widen by 0.7 pixels. */
function smoothed(data: Float32Array): Float32Array {
  const across = new Float32Array(3 * area);
  const result = new Float32Array(3 * area);
  const last = imageSize - 1;
  for (let row = 0; row < 3 * imageSize; row++) {
    const start = row * imageSize;
    for (let column = 0; column < imageSize; column++) {
      const before = at(data, start + Math.max(0, column - 1));
      const after = at(data, start + Math.min(last, column + 1));
      across[start + column] = (before + 2 * at(data, start + column) + after) / 8 + 0.5;
    }
  }
  for (let row = 0; row < 3 * imageSize; row++) {
    const inPlane = row % imageSize;
    const above = (row - Math.min(1, inPlane)) * imageSize;
    const below = (row + Math.min(1, last - inPlane)) * imageSize;
    for (let column = 0; column < imageSize; column++) {
      const here = at(across, row * imageSize + column);
      const [before, after] = [at(across, above + column), at(across, below + column)];
      result[row * imageSize + column] = (before + 2 * here + after) / 4;
    }
  }
  return result;
}

/** The median of the two outermost pixel rows, channel by channel: objects may reach the edge but do not rule it. */
function groundOf(smooth: Float32Array): Rgb {
  const rim: number[] = [];
  for (let pixel = 0; pixel < area; pixel++) {
    const row = Math.floor(pixel / imageSize);
    const column = pixel % imageSize;
    if (Math.min(row, column, imageSize - 1 - row, imageSize - 1 - column) < 2) rim.push(pixel);
  }
  const median = (channel: number): number => {
    const values = Float32Array.from(rim, (pixel) => at(smooth, channel * area + pixel)).sort();
    return at(values, values.length >> 1);
  };
  return [median(0), median(1), median(2)];
}

function explain(smooth: Float32Array, ground: Rgb, cover: Float32Array, label: Uint8Array): void {
  const lines = colours.map((colour) => {
    const [red, green, blue] = colourRgb[colour];
    const line = [red - ground[0], green - ground[1], blue - ground[2]] as const;
    return { line, square: line[0] ** 2 + line[1] ** 2 + line[2] ** 2 };
  });
  for (let pixel = 0; pixel < area; pixel++) {
    const red = at(smooth, pixel) - ground[0];
    const green = at(smooth, pixel + area) - ground[1];
    const blue = at(smooth, pixel + 2 * area) - ground[2];
    const square = red * red + green * green + blue * blue;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, { line, square: length }] of lines.entries()) {
      const along = red * line[0] + green * line[1] + blue * line[2];
      const share = Math.min(1, Math.max(0, along / length));
      const residual = square - 2 * share * along + share * share * length;
      if (residual < least) {
        least = residual;
        cover[pixel] = share;
        label[pixel] = index;
      }
    }
  }
}

/** Groups of 4-connected pixels for which `inside` holds, among `pixels` or the whole image. */
export function connected(inside: (pixel: number) => boolean, pixels?: Patch): Patch[] {
  const open = new Uint8Array(area);
  if (pixels) for (const pixel of pixels) open[pixel] = inside(pixel) ? 1 : 0;
  else for (let pixel = 0; pixel < area; pixel++) open[pixel] = inside(pixel) ? 1 : 0;
  const patches: Patch[] = [];
  for (let start = 0; start < area; start++) {
    if (open[start] === 0) continue;
    const patch = [start];
    open[start] = 0;
    const visit = (pixel: number): void => {
      if (open[pixel] === 0) return;
      open[pixel] = 0;
      patch.push(pixel);
    };
    // The patch grows while it is read.
    for (const pixel of patch) {
      const column = pixel % imageSize;
      if (column > 0) visit(pixel - 1);
      if (column < imageSize - 1) visit(pixel + 1);
      if (pixel >= imageSize) visit(pixel - imageSize);
      if (pixel < area - imageSize) visit(pixel + imageSize);
    }
    patches.push(patch);
  }
  return patches;
}
