/** @file Random scenes: what is in them by category and split, then where it lies. */

import type { Generator } from "../core/random.js";
import { between, chance, pick } from "./choose.js";
import {
  apart,
  type Category,
  type Colour,
  categories,
  colours,
  edgeMargin,
  grounds,
  imageSize,
  type ObjectShape,
  type Relation,
  radiusJitter,
  relations,
  relationsBetween,
  type Scene,
  type SceneObject,
  type Size,
  shapes,
  sizeRadius,
  sizes,
} from "./scene.js";
import { heldOutShapePairs, isHeldOutColour, isHeldOutPair, type Split } from "./splits.js";

/** What an object is, before it has a place. */
export interface Thing {
  readonly shape: ObjectShape;
  readonly colour: Colour;
  readonly size: Size;
}

const attemptsPerSize = 60;

/**
 * A scene of the split; the category is any of the six, each as likely, unless given.
 *
 * In a held-out scene the held-out combination is the one that the category is about: the pair of shapes for `two` and
 * `position`; colour and shape for the others, in `attribution` of one object at least. All else is as in training.
 */
export function sampleScene(
  split: Split,
  generator: Generator,
  category: Category = pick(generator, categories),
): Scene {
  const ground = pick(generator, grounds);
  const relation = category === "position" ? pick(generator, relations) : null;
  const things = sampleThings(split, category, generator);
  return { category, ground, relation, objects: placeObjects(things, relation, generator) };
}

function sampleThings(split: Split, category: Category, generator: Generator): Thing[] {
  switch (category) {
    case "single":
    case "colours":
      return [colouredThing(split, generator)];
    case "counting": {
      const count = 2 + generator.integer(3);
      const thing = colouredThing(split, generator);
      const sameSize = chance(generator, 0.7);
      return Array.from({ length: count }, () => (sameSize ? thing : { ...thing, size: pick(generator, sizes) }));
    }
    case "two":
    case "position":
      return shapePair(split, generator).map((shape) => ({
        shape,
        colour: trainColour(shape, generator),
        size: pick(generator, sizes),
      }));
    case "attribution": {
      const first = colouredThing(split, generator);
      for (;;) {
        const second = colouredThing(split === "held-out" && chance(generator, 0.5) ? split : "train", generator);
        const differ = second.shape !== first.shape && second.colour !== first.colour;
        if (differ && !isHeldOutPair(first.shape, second.shape)) return generator.shuffle([first, second]);
      }
    }
  }
}

/** Shape and colour together, from the split's pairs, each as likely. */
function colouredThing(split: Split, generator: Generator): Thing {
  for (;;) {
    const shape = pick(generator, shapes);
    const colour = pick(generator, colours);
    if (isHeldOutColour(colour, shape) === (split === "held-out")) {
      return { shape, colour, size: pick(generator, sizes) };
    }
  }
}

function shapePair(split: Split, generator: Generator): readonly ObjectShape[] {
  if (split === "held-out") return generator.shuffle(pick(generator, heldOutShapePairs));
  for (;;) {
    const pair = [pick(generator, shapes), pick(generator, shapes)] as const;
    if (pair[0] !== pair[1] && !isHeldOutPair(...pair)) return pair;
  }
}

function trainColour(shape: ObjectShape, generator: Generator): Colour {
  for (;;) {
    const colour = pick(generator, colours);
    if (!isHeldOutColour(colour, shape)) return colour;
  }
}

/** Gives things their places: at random until nothing is too near; where that fails often, the largest shrink by a size. */
export function placeObjects(things: readonly Thing[], relation: Relation | null, generator: Generator): SceneObject[] {
  let current = things;
  for (;;) {
    for (let attempt = 0; attempt < attemptsPerSize; attempt++) {
      const placed = tryPlace(current, relation, generator);
      if (placed) return placed;
    }
    current = shrink(current);
  }
}

function tryPlace(things: readonly Thing[], relation: Relation | null, generator: Generator): SceneObject[] | null {
  const placed: SceneObject[] = [];
  for (const thing of things) {
    const radius = sizeRadius[thing.size] + between(generator, -radiusJitter, radiusJitter);
    const low = edgeMargin + radius;
    const high = imageSize - low;
    let object: SceneObject | null = null;
    for (let attempt = 0; attempt < 12 && !object; attempt++) {
      const candidate = { ...thing, radius, x: between(generator, low, high), y: between(generator, low, high) };
      if (placed.every((other) => apart(other, candidate))) object = candidate;
    }
    if (!object) return null;
    placed.push(object);
  }
  const [first, second] = placed;
  if (relation && first && second) {
    // Within 30 degrees of the axis: nearer to the diagonal two relations would hold.
    const holding = relationsBetween(first, second, 0);
    if (holding.length !== 1 || holding[0] !== relation) return null;
  }
  return placed;
}

/**
 * The same scene under a careless frame: all is moved until the edge of the image cuts one of the objects in two; what lies
 * beyond it is lost.
 */
export function cropped(scene: Scene, generator: Generator): Scene {
  const { x, y, radius } = pick(generator, scene.objects);
  const inside = between(generator, -0.35, 0.35) * radius;
  const edge = chance(generator, 0.5) ? inside : imageSize - inside;
  const [dx, dy] = chance(generator, 0.5) ? [edge - x, 0] : [0, edge - y];
  return { ...scene, objects: scene.objects.map((object) => ({ ...object, x: object.x + dx, y: object.y + dy })) };
}

/** Whether the edge of the image cuts an object. */
export function isCropped({ objects }: Scene): boolean {
  return objects.some(({ x, y, radius }) => Math.min(x, y) < radius - 1 || Math.max(x, y) > imageSize - radius + 1);
}

function shrink(things: readonly Thing[]): Thing[] {
  const largest = things.some(({ size }) => size === "large") ? "large" : "medium";
  const smaller = largest === "large" ? "medium" : "small";
  return things.map((thing) => (thing.size === largest ? { ...thing, size: smaller } : thing));
}
