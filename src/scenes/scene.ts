/**
 * @file The demo's world: 64 x 64 pixels, a plain ground, one to four coloured shapes that do not touch.
 *
 * Positions and radii are in pixels, x to the right and y downwards, pixel (i, j) covering [i, i+1) x [j, j+1).
 */

import { InputError } from "../core/errors.js";

/** Side of every image in pixels. */
export const imageSize = 64;

export const shapes = ["circle", "square", "triangle", "star", "heart"] as const;
export type ObjectShape = (typeof shapes)[number];

/** The corners of the RGB cube, a little inwards: no eight colours lie further apart. */
export const colours = ["red", "yellow", "green", "cyan", "blue", "pink", "white", "black"] as const;
export type Colour = (typeof colours)[number];

/** Of these, captions name small and large only: medium is what needs no word. */
export const sizes = ["small", "medium", "large"] as const;
export type Size = (typeof sizes)[number];

export const grounds = ["grey", "tan", "slate", "sage", "mauve"] as const;
export type Ground = (typeof grounds)[number];

/**
 * GenEval's six (arXiv 2310.11513): one object; two different ones; two to four of one kind; one with its colour; two of
 * which one lies left of, right of, above or below the other; two with their colours.
 */
export const categories = ["single", "two", "counting", "colours", "position", "attribution"] as const;
export type Category = (typeof categories)[number];

export const relations = ["left", "right", "above", "below"] as const;
export type Relation = (typeof relations)[number];

/** Red, green, blue in [0,1] as sRGB values. */
export type Rgb = readonly [red: number, green: number, blue: number];

export const colourRgb: Readonly<Record<Colour, Rgb>> = {
  red: [0.86, 0.1, 0.12],
  yellow: [0.97, 0.86, 0.1],
  green: [0.1, 0.62, 0.16],
  cyan: [0.12, 0.84, 0.9],
  blue: [0.12, 0.2, 0.86],
  pink: [0.96, 0.36, 0.8],
  white: [0.98, 0.98, 0.98],
  black: [0.04, 0.04, 0.05],
};

export const groundRgb: Readonly<Record<Ground, Rgb>> = {
  grey: [0.52, 0.52, 0.53],
  tan: [0.63, 0.55, 0.45],
  slate: [0.43, 0.49, 0.58],
  sage: [0.52, 0.59, 0.5],
  mauve: [0.58, 0.5, 0.57],
};

/** Half the side of an object's box, before the jitter that sampling adds. */
export const sizeRadius: Readonly<Record<Size, number>> = { small: 8, medium: 10, large: 12 };
/** Radii are sampled within this distance of their size's. */
export const radiusJitter = 0.4;
/** Free pixels between two boxes, and between a box and the image's edge. */
export const objectGap = 5;
export const edgeMargin = 2;

export interface SceneObject {
  readonly shape: ObjectShape;
  readonly colour: Colour;
  readonly size: Size;
  /** Centre of the object's box. */
  readonly x: number;
  readonly y: number;
  /** Half the side of that box. */
  readonly radius: number;
}

export interface Scene {
  readonly category: Category;
  readonly ground: Ground;
  /** Of a position scene, the first object is the one of which something is said. */
  readonly objects: readonly SceneObject[];
  /** Where the first object lies, seen from the second; null outside position scenes. */
  readonly relation: Relation | null;
}

export const oppositeRelation: Readonly<Record<Relation, Relation>> = {
  left: "right",
  right: "left",
  above: "below",
  below: "above",
};

/** Whether two boxes keep the gap. */
export function apart(a: Pick<SceneObject, "x" | "y" | "radius">, b: Pick<SceneObject, "x" | "y" | "radius">): boolean {
  return Math.max(Math.abs(a.x - b.x), Math.abs(a.y - b.y)) >= a.radius + b.radius + objectGap;
}

/**
 * Which relation holds between two places, or null if none does plainly. The rule is GenEval's: take the offset, shorten
 * both coordinates by `slack`, and ask for more than half of its length along an axis; a diagonal satisfies two relations, so
 * all that hold are given.
 */
export function relationsBetween(
  a: { readonly x: number; readonly y: number },
  b: { readonly x: number; readonly y: number },
  slack: number,
): Relation[] {
  const shorten = (offset: number): number => Math.sign(offset) * Math.max(0, Math.abs(offset) - slack);
  const dx = shorten(a.x - b.x);
  const dy = shorten(a.y - b.y);
  const length = Math.hypot(dx, dy);
  if (length === 0) return [];
  const holding: Relation[] = [];
  if (dx / length < -0.5) holding.push("left");
  if (dx / length > 0.5) holding.push("right");
  if (dy / length < -0.5) holding.push("above");
  if (dy / length > 0.5) holding.push("below");
  return holding;
}

/** An object by number; an InputError names a scene that lacks it. */
export function objectAt(scene: Scene, index: number): SceneObject {
  const object = scene.objects[index];
  if (!object)
    throw new InputError(`a ${scene.category} scene needs object ${index + 1}, it has ${scene.objects.length}`);
  return object;
}
