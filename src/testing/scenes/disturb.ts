/** @file Images made worse in the ways of a diffusion model: soft, grainy, bent, off in brightness. */

import type { Generator } from "../../core/random.js";
import { type FloatTensor, floatTensor } from "../../core/tensor.js";
import { between } from "../../scenes/choose.js";
import { imageSize } from "../../scenes/scene.js";

const area = imageSize * imageSize;

export type Disturbance = (image: FloatTensor, generator: Generator) => FloatTensor;

/** Gaussian blur, sigma up to 1 pixel. */
function blur(image: FloatTensor, generator: Generator): FloatTensor {
  const sigma = between(generator, 0.3, 1);
  const weights = [-3, -2, -1, 0, 1, 2, 3].map((offset) => Math.exp(-(offset * offset) / (2 * sigma * sigma)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const pass = (from: Float32Array, step: 1 | typeof imageSize): Float32Array => {
    const to = new Float32Array(3 * area);
    for (let at = 0; at < to.length; at++) {
      const place = step === 1 ? at % imageSize : Math.floor(at / imageSize) % imageSize;
      let sum = 0;
      for (let k = 0; k < 7; k++) {
        sum += weights[k] * from[at + step * (Math.min(imageSize - 1, Math.max(0, place + k - 3)) - place)];
      }
      to[at] = sum / total;
    }
    return to;
  };
  return floatTensor(image.shape, pass(pass(image.data, 1), imageSize));
}

/** Gaussian noise, deviation up to 0.08 of the range, that is 0.16 in [-1,1]. */
function noise(image: FloatTensor, generator: Generator): FloatTensor {
  const deviation = between(generator, 0.04, 0.16);
  const normal = generator.normal(image.shape).data;
  return floatTensor(
    image.shape,
    image.data.map((value, index) => value + deviation * normal[index]),
  );
}

/** Scale 0.9 to 1.1, rotation up to 5 degrees, and a smooth field of displacements up to 1 pixel in each direction. */
function bend(image: FloatTensor, generator: Generator): FloatTensor {
  const knots = 7;
  const field = Array.from({ length: 2 * knots * knots }, () => between(generator, -1, 1));
  const angle = (between(generator, -5, 5) * Math.PI) / 180;
  const scale = between(generator, 0.9, 1.1);
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const bent = floatTensor(image.shape);
  const middle = imageSize / 2;
  for (let row = 0; row < imageSize; row++) {
    for (let column = 0; column < imageSize; column++) {
      const u = (column / (imageSize - 1)) * (knots - 1);
      const v = (row / (imageSize - 1)) * (knots - 1);
      const dx = bilinear(field, knots, knots, u, v, 0);
      const dy = bilinear(field, knots, knots, u, v, knots * knots);
      const x = column + 0.5 - middle;
      const y = row + 0.5 - middle;
      const fromX = cos * x - sin * y + middle - 0.5 + dx;
      const fromY = sin * x + cos * y + middle - 0.5 + dy;
      for (let channel = 0; channel < 3; channel++) {
        const at = channel * area;
        bent.data[at + row * imageSize + column] = bilinear(image.data, imageSize, imageSize, fromX, fromY, at);
      }
    }
  }
  return bent;
}

function bilinear(
  values: ArrayLike<number>,
  width: number,
  height: number,
  x: number,
  y: number,
  from: number,
): number {
  const [cx, cy] = [Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y))];
  const [left, top] = [Math.min(width - 2, Math.floor(cx)), Math.min(height - 2, Math.floor(cy))];
  const [fx, fy] = [cx - left, cy - top];
  const at = from + top * width + left;
  const upper = values[at] * (1 - fx) + values[at + 1] * fx;
  const lower = values[at + width] * (1 - fx) + values[at + width + 1] * fx;
  return upper * (1 - fy) + lower * fy;
}

/** Contrast and brightness off by up to a tenth of the range, and cut off at black and white as images are. */
function light(image: FloatTensor, generator: Generator): FloatTensor {
  const contrast = between(generator, 0.9, 1.1);
  const brightness = between(generator, -0.2, 0.2);
  return floatTensor(
    image.shape,
    image.data.map((value) => Math.min(1, Math.max(-1, contrast * value + brightness))),
  );
}

export const disturbances = {
  none: (image) => image,
  blur,
  noise,
  bend,
  light,
  everything: (image, generator) => {
    const changes = [bend, blur, light, noise];
    return changes.reduce((changed, change) => change(changed, generator), image);
  },
} satisfies Record<string, Disturbance>;
