/**
 * @file GenEval's questions, answered exactly: does the image show what the prompt asks for, and if not, what is wrong?
 *
 * As in GenEval (arXiv 2310.11513, `evaluate_images.py`):
 * - `single`, `colours`: at least one such object. `two`, `attribution`: at least one of each. What else the image holds is not asked.
 * - `counting`: exactly that many of the shape; other shapes are not asked about. Where the prompt names a colour, all of them have it.
 * - `position`: of each the clearest, centre of the box against centre; the offset shortened by a tenth of both widths must point more along the
 *   axis than 30 degrees off the other one. Colours are asked only where the expectation names them.
 * - An object of no known shape counts as none.
 */

import { InputError } from "../core/errors.js";
import { type FloatTensor, formatShape, sameShape } from "../core/tensor.js";
import { type Description, essentials } from "./describe.js";
import { type DetectedObject, detect } from "./detect.js";
import {
  type Category,
  type Colour,
  imageSize,
  type ObjectShape,
  type Relation,
  relationsBetween,
  type Scene,
} from "./scene.js";
import { nouns } from "./words.js";

/** One kind of object that is asked for. */
export interface Wanted {
  readonly shape: ObjectShape;
  /** Null: any. */
  readonly colour: Colour | null;
  /** Exactly this many in `counting`, else at least this many. */
  readonly count: number;
}

export interface Expectation {
  readonly category: Category;
  readonly objects: readonly Wanted[];
  /** Where the first object must lie, seen from the second. */
  readonly relation: Relation | null;
}

export interface Verification {
  readonly correct: boolean;
  /** "as expected", or the first thing that is wrong: "expected 3 circles, found 2". */
  readonly reason: string;
  readonly found: readonly DetectedObject[];
}

/** The question that a scene's category asks about it. */
export function expectationOf(scene: Scene): Expectation {
  return expectationFrom(essentials(scene));
}

/** The question that a description asks: all that it names except sizes and the ground. */
export function expectationFrom({ category, mentions, relation }: Description): Expectation {
  const objects = mentions.map(({ shape, colour, count }) => {
    if (shape === null || count === null) {
      throw new InputError("a description that names no shape or no number asks nothing that can be verified");
    }
    return { shape, colour, count };
  });
  return { category, objects, relation };
}

/** Reads an image [3,64,64] in [-1,1]. An image of other than finite numbers is wrong, not an error. */
export function verify(image: FloatTensor, expectation: Expectation): Verification {
  const shape = [3, imageSize, imageSize];
  if (!sameShape(image.shape, shape)) {
    throw new InputError(`the verifier reads images ${formatShape(shape)}, not ${formatShape(image.shape)}`);
  }
  if (!image.data.every(Number.isFinite)) {
    return { correct: false, reason: "the image holds numbers that are not finite", found: [] };
  }
  const found = detect(image);
  const fault = faultOf(found, expectation);
  return { correct: fault === null, reason: fault ?? "as expected", found };
}

function faultOf(found: readonly DetectedObject[], { category, objects, relation }: Expectation): string | null {
  for (const wanted of objects) {
    const fault = countFault(found, wanted, category === "counting");
    if (fault) return fault;
  }
  return relation ? relationFault(found, objects, relation) : null;
}

function countFault(found: readonly DetectedObject[], wanted: Wanted, exactly: boolean): string | null {
  const { shape, colour, count } = wanted;
  const alike = found.filter((object) => object.shape === shape);
  const asked = `expected ${numbered(count, shape, colour)}`;
  if (alike.length < count || (exactly && alike.length > count)) {
    const unknown = found.filter((object) => object.shape === null).length;
    const aside = unknown > 0 ? ` and ${unknown} of no known shape` : "";
    if (alike.length > 0) return `${asked}, found ${alike.length}${aside}`;
    const others = found.flatMap((object) => (object.shape ? [`${object.colour} ${object.shape}`] : []));
    return `${asked}, found ${others.length > 0 ? others.join(", ") : "none"}${aside}`;
  }
  const coloured = alike.filter((object) => colour === null || object.colour === colour);
  if (coloured.length >= count) return null;
  return `${asked}, found ${alike.map((object) => `${object.colour} ${object.shape}`).join(", ")}`;
}

function relationFault(
  found: readonly DetectedObject[],
  objects: readonly Wanted[],
  relation: Relation,
): string | null {
  // Sorted by fit, so the first that matches is the clearest.
  const [subject, reference] = objects.map((wanted) => found.find((object) => matches(object, wanted)));
  const [asked, from] = objects;
  if (!subject || !reference || !asked || !from) {
    throw new InputError(`a relation ("${relation}") needs two objects, the expectation names ${objects.length}`);
  }
  const slack = 0.1 * 2 * (Math.sqrt(subject.area / Math.PI) + Math.sqrt(reference.area / Math.PI));
  const holding = relationsBetween(subject, reference, slack);
  if (holding.includes(relation)) return null;
  const seen = holding.length > 0 ? holding.map((held) => relationPhrases[held]).join(" and ") : "too near to";
  return `expected the ${asked.shape} ${relationPhrases[relation]} the ${from.shape}, found it ${seen} it`;
}

const relationPhrases: Readonly<Record<Relation, string>> = {
  left: "left of",
  right: "right of",
  above: "above",
  below: "below",
};

function matches(object: DetectedObject, { shape, colour }: Wanted): boolean {
  return object.shape === shape && (colour === null || object.colour === colour);
}

/** "3 red circles". */
function numbered(count: number, shape: ObjectShape, colour: Colour | null): string {
  const noun = count === 1 ? nouns[shape].one[0] : nouns[shape].many[0];
  return [count === 1 ? "a" : String(count), ...(colour ? [colour] : []), noun].join(" ");
}
