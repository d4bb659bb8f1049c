/**
 * @file Images of scenes to look at: light from above on the ground, soft shadows, shaded objects with clean edges.
 *
 * The same scenes and outlines as the flat rendering, so that the verifier reads both. It stands here until a pipeline that was trained
 * on it is the demo's.
 */

import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { outlines } from "#softrepa/scenes/geometry.js";
import { colourRgb, groundRgb, imageSize, type Scene, type SceneObject } from "#softrepa/scenes/scene.js";

const area = imageSize * imageSize;

/** The ground is this much lighter at the top than in the middle, and as much darker at the bottom. */
const groundLight = 0.05;
/** Shadows fall to the right and downwards, in pixels, and fade over twice `shadowSoftness`. */
const shadowRight = 0.8;
const shadowDown = 1.7;
const shadowSoftness = 2.6;
const shadowStrength = 0.34;
/** Objects are lighter at the upper left and darker at the lower right by this share of the way to white and black. */
const objectLight = 0.13;
const objectShade = 0.16;

/** Draws into `target` from `offset` on, [3, 64, 64] in [-1, 1]. */
export function renderShadedInto(scene: Scene, target: Float32Array, offset = 0): void {
  const ground = groundRgb[scene.ground];
  for (let pixel = 0; pixel < area; pixel++) {
    const down = (2 * (Math.floor(pixel / imageSize) + 0.5)) / imageSize - 1;
    for (let channel = 0; channel < 3; channel++) {
      target[offset + channel * area + pixel] = 2 * (ground[channel] - groundLight * down) - 1;
    }
  }
  for (const object of scene.objects) castShadow(object, target, offset);
  for (const object of scene.objects) draw(object, target, offset);
}

/** The image [3, 64, 64] in [-1, 1]. */
export function renderShaded(scene: Scene): FloatTensor {
  const image = floatTensor([3, imageSize, imageSize]);
  renderShadedInto(scene, image.data);
  return image;
}

function castShadow(object: SceneObject, target: Float32Array, offset: number): void {
  const shadow = { ...object, x: object.x + shadowRight, y: object.y + shadowDown };
  visit(shadow, shadowSoftness, (at, distance) => {
    const share = Math.min(1, Math.max(0, 0.5 - distance / (2 * shadowSoftness)));
    const kept = 1 - shadowStrength * share * share * (3 - 2 * share);
    for (let channel = 0; channel < 3; channel++) {
      const place = offset + channel * area + at;
      target[place] = kept * (target[place] + 1) - 1;
    }
  });
}

function draw(object: SceneObject, target: Float32Array, offset: number): void {
  const colour = colourRgb[object.colour];
  visit(object, 1, (at, distance, across, down) => {
    // Coverage of a pixel that an edge crosses at this distance from its centre: a ramp one pixel wide.
    const coverage = Math.min(1, 0.5 - distance);
    if (coverage <= 0) return;
    const light = Math.min(1, Math.max(-1, -(across + 2 * down) / 2.4));
    for (let channel = 0; channel < 3; channel++) {
      const place = offset + channel * area + at;
      const shaded =
        light > 0
          ? colour[channel] + objectLight * light * (1 - colour[channel])
          : colour[channel] * (1 + objectShade * light);
      target[place] += coverage * (2 * shaded - 1 - target[place]);
    }
  });
}

/** Every pixel within `margin` of an object's box: its number, distance from the outline in pixels, and place in units of the radius. */
function visit(
  { shape, x, y, radius }: SceneObject,
  margin: number,
  seen: (at: number, distance: number, across: number, down: number) => void,
): void {
  const outline = outlines[shape];
  const reach = radius + margin;
  const bounds = (middle: number) =>
    [Math.max(0, Math.floor(middle - reach)), Math.min(imageSize, Math.ceil(middle + reach))] as const;
  const [left, right] = bounds(x);
  const [top, bottom] = bounds(y);
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const [across, down] = [(column + 0.5 - x) / radius, (row + 0.5 - y) / radius];
      seen(row * imageSize + column, outline(across, down) * radius, across, down);
    }
  }
}
