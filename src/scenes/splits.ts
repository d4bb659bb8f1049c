/**
 * @file What training never shows: 8 of the 40 pairs of colour and shape, and 3 of the 10 pairs of shapes.
 *
 * Every colour and every shape occurs in training, each shape in at least six of the eight colours and beside at least two of
 * the four other shapes, so that held-out prompts ask for new combinations of known things and not for new words. The rule
 * covers images and captions, also captions that are wrong on purpose.
 */

import type { Colour, ObjectShape, Scene, SceneObject } from "./scene.js";

export type Split = "train" | "held-out";

/** Shapes that never occur in a colour: one of each colour, each shape but the square in two colours. */
export const heldOutShapesOf: Readonly<Record<Colour, readonly ObjectShape[]>> = {
  red: ["star"],
  blue: ["star"],
  green: ["circle"],
  pink: ["circle"],
  cyan: ["triangle"],
  white: ["triangle"],
  yellow: ["heart"],
  black: ["heart"],
};

/** Shapes that never occur in one image or caption. */
export const heldOutShapePairs: readonly (readonly [ObjectShape, ObjectShape])[] = [
  ["circle", "square"],
  ["square", "heart"],
  ["heart", "star"],
];

/** Whether training never shows this shape in this colour. */
export function isHeldOutColour(colour: Colour, shape: ObjectShape): boolean {
  return heldOutShapesOf[colour].includes(shape);
}

/** Whether training never shows these two shapes together. */
export function isHeldOutPair(a: ObjectShape, b: ObjectShape): boolean {
  return heldOutShapePairs.some(([first, second]) => (first === a && second === b) || (first === b && second === a));
}

/** Every held-out combination in an image, in words, such as "red star" or "star + ring". */
export function heldOutCombinations(objects: readonly Pick<SceneObject, "shape" | "colour">[]): string[] {
  const found = new Set<string>();
  objects.forEach((object, index) => {
    if (isHeldOutColour(object.colour, object.shape)) found.add(`${object.colour} ${object.shape}`);
    for (const other of objects.slice(0, index)) {
      if (isHeldOutPair(object.shape, other.shape)) found.add([object.shape, other.shape].sort().join(" + "));
    }
  });
  return [...found];
}

/** A scene is held out if anything in it is. */
export function sceneSplit(scene: Scene): Split {
  return heldOutCombinations(scene.objects).length > 0 ? "held-out" : "train";
}
