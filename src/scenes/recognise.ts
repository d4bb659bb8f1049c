/**
 * @file Which of the world's shapes a patch is.
 *
 * Centre and spread of the patch's cover give the place and size that each shape would have to have; a template of it is laid
 * there, sharp and blurred, and compared by correlation.
 */

import { at } from "../core/lists.js";
import { imageSize, type ObjectShape, shapes } from "./scene.js";
import type { Patch } from "./segment.js";
import { type Template, templateAt, templateBlurs, templatesOf } from "./templates.js";

export interface Match {
  readonly shape: ObjectShape;
  /** Correlation with the shape laid there, at most 1. */
  readonly score: number;
  /** Half the side of the shape's box in pixels. */
  readonly radius: number;
  /** Centre of that box. */
  readonly x: number;
  readonly y: number;
}

/** Blurs to compare with, in pixels: what the segmentation's own smoothing leaves, and that of a blurred image. */
const blurPixels = [0.8, 1.25] as const;
/** Less cover than this is noise and has no say in where the patch lies. */
const leastCover = 0.15;

/** The best shape for a patch; `cover` is the share of object of every pixel of the image. */
export function recogniseShape(patch: Patch, cover: Float32Array): Match {
  const window = windowAround(patch, cover);
  const { x, y, spread } = momentsOf(window);
  let best: Match = { shape: shapes[0], score: -1, radius: spread, x, y };
  for (const shape of shapes) {
    for (const template of candidates(templatesOf(shape), spread)) {
      const radius = spread / template.spread;
      const middle = y - template.y * radius;
      const score = correlation(window, template, radius, x, middle);
      if (score > best.score) best = { shape, score, radius, x, y: middle };
    }
  }
  return best;
}

/** The templates of a shape whose blurs come nearest to those of `blurPixels` at this size. */
function candidates(family: readonly Template[], spread: number): Set<Template> {
  const radius = spread / at(family, 0).spread;
  return new Set(
    blurPixels.map((pixels) => {
      const distances = templateBlurs.map((blur) => Math.abs(blur - pixels / radius));
      return at(family, distances.indexOf(Math.min(...distances)));
    }),
  );
}

/** The patch's box, two pixels wider; cover is 0 except in the patch and on the pixels that border on it. */
interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly cover: Float32Array;
}

function windowAround(patch: Patch, image: Float32Array): Window {
  let [left, right, top, bottom] = [imageSize, 0, imageSize, 0];
  for (const pixel of patch) {
    const column = pixel % imageSize;
    const row = (pixel - column) / imageSize;
    left = Math.min(left, column);
    right = Math.max(right, column);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
  }
  [left, top] = [left - 2, top - 2];
  const [width, height] = [right + 3 - left, bottom + 3 - top];
  const cover = new Float32Array(width * height);
  for (const pixel of patch) {
    const column = pixel % imageSize;
    const row = (pixel - column) / imageSize;
    for (let y = Math.max(0, row - 1); y <= Math.min(imageSize - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(imageSize - 1, column + 1); x++) {
        cover[(y - top) * width + x - left] = at(image, y * imageSize + x);
      }
    }
  }
  return { left, top, width, height, cover };
}

/** Centroid in the image's pixels, and root mean square distance from it. */
function momentsOf({ left, top, width, cover }: Window): { x: number; y: number; spread: number } {
  let [mass, x, y, squares] = [0, 0, 0, 0];
  cover.forEach((value, at) => {
    if (value < leastCover) return;
    const column = left + (at % width) + 0.5;
    const row = top + Math.floor(at / width) + 0.5;
    mass += value;
    x += value * column;
    y += value * row;
    squares += value * (column * column + row * row);
  });
  x /= mass;
  y /= mass;
  return { x, y, spread: Math.sqrt(Math.max(1, squares / mass - x * x - y * y)) };
}

function correlation(window: Window, template: Template, radius: number, x: number, y: number): number {
  const { left, top, width, height, cover } = window;
  let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
  for (let row = 0; row < height; row++) {
    const down = (top + row + 0.5 - y) / radius;
    for (let column = 0; column < width; column++) {
      const expected = templateAt(template, (left + column + 0.5 - x) / radius, down);
      const value = at(cover, row * width + column);
      a += expected;
      b += value;
      aa += expected * expected;
      bb += value * value;
      ab += expected * value;
    }
  }
  const n = width * height;
  const deviations = Math.sqrt(Math.max(0, n * aa - a * a) * Math.max(0, n * bb - b * b));
  return deviations === 0 ? -1 : (n * ab - a * b) / deviations;
}
