/** @file The renderer's own shapes as soft images at radius 1, from sharp to blurred, to compare patches with. */

import { at } from "../core/lists.js";
import { outlines } from "./geometry.js";
import type { ObjectShape } from "./scene.js";

export interface Template {
  readonly shape: ObjectShape;
  /** Standard deviation of its blur in units of the radius. */
  readonly blur: number;
  /** Centroid (its x is 0) and root mean square distance from it. */
  readonly y: number;
  readonly spread: number;
  /** Cover from 0 to 1 at `resolution` points a unit, from -reach to reach in both directions. */
  readonly cover: Float32Array;
}

const reach = 1.75;
const resolution = 24;
const side = 2 * reach * resolution;

/** Blurs at hand; a blur of 1 pixel is 0.08 to 0.14 of a radius. */
export const templateBlurs = [0.05, 0.08, 0.11, 0.14, 0.18] as const;

const families = new Map<ObjectShape, readonly Template[]>();

/** The templates of a shape by number of the blur, made when first asked for. */
export function templatesOf(shape: ObjectShape): readonly Template[] {
  const known = families.get(shape);
  if (known) return known;
  const family = templateBlurs.map((blur) => build(shape, blur));
  families.set(shape, family);
  return family;
}

/** Cover of the template at a place in units of the radius, of the nearest point; 0 beyond its reach. */
export function templateAt({ cover }: Template, x: number, y: number): number {
  const column = Math.floor((x + reach) * resolution);
  const row = Math.floor((y + reach) * resolution);
  if (column < 0 || row < 0 || column >= side || row >= side) return 0;
  return at(cover, row * side + column);
}

function build(shape: ObjectShape, blur: number): Template {
  const sharp = new Float32Array(side * side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const distance = outlines[shape]((column + 0.5) / resolution - reach, (row + 0.5) / resolution - reach);
      sharp[row * side + column] = Math.min(1, Math.max(0, 0.5 - distance * resolution));
    }
  }
  const cover = blurred(blurred(sharp, blur * resolution, 1), blur * resolution, side);
  let [mass, down, squares] = [0, 0, 0];
  cover.forEach((value, at) => {
    const x = ((at % side) + 0.5) / resolution - reach;
    const y = (Math.floor(at / side) + 0.5) / resolution - reach;
    mass += value;
    down += value * y;
    squares += value * (x * x + y * y);
  });
  return { shape, blur, cover, y: down / mass, spread: Math.sqrt(squares / mass - (down / mass) ** 2) };
}

/** A Gaussian of deviation `sigma` points along one axis; beyond the border all is 0. */
function blurred(from: Float32Array, sigma: number, step: number): Float32Array {
  const radius = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, k) =>
    Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return from.map((_, pixel) => {
    const place = step === 1 ? pixel % side : Math.floor(pixel / side);
    let sum = 0;
    for (let k = -radius; k <= radius; k++) {
      if (place + k >= 0 && place + k < side) sum += at(weights, k + radius) * at(from, pixel + step * k);
    }
    return sum / total;
  });
}
