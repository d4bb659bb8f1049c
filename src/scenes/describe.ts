/** @file What can be said of a scene, before it is put into words. */

import type { Generator } from "../core/random.js";
import { chance } from "./choose.js";
import {
  type Category,
  type Colour,
  type Ground,
  type ObjectShape,
  objectAt,
  type Relation,
  type Scene,
  type Size,
} from "./scene.js";

/** One thing, or several of a kind, as a caption speaks of it; what is null is not said. */
export interface Mention {
  /** Null: "a thing". */
  readonly shape: ObjectShape | null;
  readonly colour: Colour | null;
  readonly size: Size | null;
  /** Null: "some". */
  readonly count: number | null;
}

/** The content of a caption. */
export interface Description {
  readonly category: Category;
  readonly mentions: readonly Mention[];
  /** Where the first mention lies, seen from the second. */
  readonly relation: Relation | null;
  readonly ground: Ground | null;
}

/** What the category is about, and no more: the shapes for `two`, the relation too for `position`, and so on. */
export function essentials(scene: Scene): Description {
  const mention = (index: number, count = 1): Mention => {
    const { shape, colour } = objectAt(scene, index);
    return { shape, colour: namesColours(scene.category) ? colour : null, size: null, count };
  };
  const { category, relation } = scene;
  switch (category) {
    case "single":
    case "colours":
      return { category, relation, ground: null, mentions: [mention(0)] };
    case "counting":
      return { category, relation, ground: null, mentions: [mention(0, scene.objects.length)] };
    case "two":
    case "position":
    case "attribution":
      return { category, relation, ground: null, mentions: [mention(0), mention(1)] };
  }
}

/** The essentials and, now and then, more that is true: sizes, colours, the ground. */
export function describe(scene: Scene, generator: Generator): Description {
  const known = essentials(scene);
  const nameColours = chance(generator, 0.35);
  const nameSizes = chance(generator, 0.4);
  return {
    ...known,
    ground: chance(generator, 0.2) ? scene.ground : null,
    mentions: known.mentions.map((mention, index) => ({
      ...mention,
      colour: mention.colour ?? (nameColours ? objectAt(scene, index).colour : null),
      size: nameSizes ? commonSize(scene, index) : null,
    })),
  };
}

/** Whether the category's question is about colours. Counting names them so that a count can be asked of a new combination. */
function namesColours(category: Category): boolean {
  return category === "counting" || category === "colours" || category === "attribution";
}

/** The size to name: of all objects if they are counted, and never medium. */
function commonSize(scene: Scene, index: number): Size | null {
  const { size } = objectAt(scene, index);
  if (size === "medium") return null;
  if (scene.category === "counting" && scene.objects.some((object) => object.size !== size)) return null;
  return size;
}
