/** @file Scenes that differ in one thing from a scene, so that its question must be answered with no. */

import type { Generator } from "../core/random.js";
import { pick } from "./choose.js";
import { placeObjects } from "./sample-scene.js";
import {
  type Category,
  type Colour,
  colours,
  type ObjectShape,
  objectAt,
  oppositeRelation,
  type Scene,
  type SceneObject,
  shapes,
} from "./scene.js";
import { sceneSplit } from "./splits.js";

/** `side`: two objects have changed places. `swap`: they have changed colours. */
export type Change = "shape" | "colour" | "count" | "side" | "swap";

export interface NearMiss {
  readonly scene: Scene;
  readonly change: Change;
}

/** What can be changed so that the answer changes: nobody asks about colours in a `two` scene. */
const changesOf: Readonly<Record<Category, readonly Change[]>> = {
  single: ["shape"],
  two: ["shape"],
  counting: ["count", "count", "shape", "colour"],
  colours: ["shape", "colour"],
  position: ["side", "side", "shape"],
  attribution: ["swap", "swap", "shape", "colour"],
};

/** A near miss of a training scene holds no held-out combination either, so it may be shown in training. */
export function nearMiss(scene: Scene, generator: Generator): NearMiss {
  const training = sceneSplit(scene) === "train";
  for (;;) {
    const change = pick(generator, changesOf[scene.category]);
    const changed = apply(scene, change, generator);
    if (!training || sceneSplit(changed) === "train") return { scene: changed, change };
  }
}

function apply(scene: Scene, change: Change, generator: Generator): Scene {
  switch (change) {
    case "shape":
      return withObject(scene, generator, (object) => ({ ...object, shape: otherShape(scene, generator) }));
    case "colour":
      return withObject(scene, generator, (object) => ({ ...object, colour: otherColour(scene, generator) }));
    case "count":
      return withCount(scene, pick(generator, [-1, 1]), generator);
    case "side": {
      // Objects trade what they are and keep their places, since a large one need not fit where a small one was.
      const [a, b] = [objectAt(scene, 0), objectAt(scene, 1)];
      const objects = [
        { ...b, shape: a.shape, colour: a.colour },
        { ...a, shape: b.shape, colour: b.colour },
      ];
      return { ...scene, objects, relation: scene.relation && oppositeRelation[scene.relation] };
    }
    case "swap": {
      const [a, b] = [objectAt(scene, 0), objectAt(scene, 1)];
      return {
        ...scene,
        objects: [
          { ...a, colour: b.colour },
          { ...b, colour: a.colour },
        ],
      };
    }
  }
}

/** Changes any one object; of a counted group all, so that it stays a scene that training could show. */
function withObject(scene: Scene, generator: Generator, edit: (object: SceneObject) => SceneObject): Scene {
  if (scene.category === "counting") {
    const { shape, colour } = edit(objectAt(scene, 0));
    return { ...scene, objects: scene.objects.map((object) => ({ ...object, shape, colour })) };
  }
  const chosen = generator.integer(scene.objects.length);
  return { ...scene, objects: scene.objects.map((object, index) => (index === chosen ? edit(object) : object)) };
}

/** One more, placed anew if that is needed to fit it in, or one less; counts stay between one and four. */
function withCount(scene: Scene, step: number, generator: Generator): Scene {
  const count = scene.objects.length;
  if (step < 0 || count >= 4) {
    const dropped = generator.integer(count);
    return { ...scene, objects: scene.objects.filter((_, index) => index !== dropped) };
  }
  return { ...scene, objects: placeObjects([...scene.objects, objectAt(scene, 0)], null, generator) };
}

/** A shape that the scene does not hold. */
function otherShape({ objects }: Scene, generator: Generator): ObjectShape {
  return pick(
    generator,
    shapes.filter((shape) => objects.every((object) => object.shape !== shape)),
  );
}

/** A colour that the scene does not hold. */
function otherColour({ objects }: Scene, generator: Generator): Colour {
  return pick(
    generator,
    colours.filter((colour) => objects.every((object) => object.colour !== colour)),
  );
}
