/** @file Images of scenes: signed distances turned into anti-aliased coverage, nothing else. The same on every machine. */

import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { outlines } from "./geometry.js";
import { colourRgb, groundRgb, imageSize, type Rgb, type Scene, type SceneObject } from "./scene.js";

const area = imageSize * imageSize;

/** Numbers in one image: 3 channels of 64 x 64. */
export const imageNumbers = 3 * area;

/** The scene as an image [3,64,64] in [-1,1]. */
export function render(scene: Scene): FloatTensor {
  const image = floatTensor([3, imageSize, imageSize]);
  renderInto(scene, image.data);
  return image;
}

/** Rasterises into `target` from `offset` on, for batches [N,3,64,64]; every one of the 12,288 numbers is written. */
export function renderInto(scene: Scene, target: Float32Array, offset = 0): void {
  if (offset < 0 || offset + imageNumbers > target.length) {
    throw new InputError(`an image needs ${imageNumbers} numbers from ${offset} on, the array has ${target.length}`);
  }
  for (const [channel, level] of toRange(groundRgb[scene.ground]).entries()) {
    target.fill(level, offset + channel * area, offset + (channel + 1) * area);
  }
  for (const object of scene.objects) rasterise(object, target, offset);
}

function rasterise(object: SceneObject, target: Float32Array, offset: number): void {
  const levels = toRange(colourRgb[object.colour]);
  const { x, y, radius } = object;
  const outline = outlines[object.shape];
  const left = Math.max(0, Math.floor(x - radius - 1));
  const right = Math.min(imageSize, Math.ceil(x + radius + 1));
  const top = Math.max(0, Math.floor(y - radius - 1));
  const bottom = Math.min(imageSize, Math.ceil(y + radius + 1));
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      // Coverage of a pixel that an edge crosses at distance d from its centre: a ramp one pixel wide.
      const coverage = 0.5 - outline((column + 0.5 - x) / radius, (row + 0.5 - y) / radius) * radius;
      if (coverage <= 0) continue;
      const kept = coverage >= 1 ? 0 : 1 - coverage;
      for (const [channel, level] of levels.entries()) {
        const pixel = offset + channel * area + row * imageSize + column;
        target[pixel] = level + kept * (at(target, pixel) - level);
      }
    }
  }
}

function toRange([red, green, blue]: Rgb): Rgb {
  return [2 * red - 1, 2 * green - 1, 2 * blue - 1];
}
