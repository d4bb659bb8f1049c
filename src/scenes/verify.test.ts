import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { repetitions } from "../testing/core/repetitions.js";
import { disturbances } from "../testing/scenes/disturb.js";
import { essentials } from "./describe.js";
import { detect } from "./detect.js";
import { nearMiss } from "./near-miss.js";
import { heldOutPrompts } from "./prompts.js";
import { render } from "./render.js";
import { sampleScene } from "./sample-scene.js";
import { type Category, categories, type Scene, type SceneObject } from "./scene.js";
import { sceneSplit } from "./splits.js";
import { expectationFrom, expectationOf, verify } from "./verify.js";

const kinds = Object.entries(disturbances);

function object(
  shape: SceneObject["shape"],
  colour: SceneObject["colour"],
  x: number,
  y: number,
  radius = 10,
): SceneObject {
  return { shape, colour, size: "medium", x, y, radius };
}

function imageOf(...objects: SceneObject[]): FloatTensor {
  return render({ category: "two", ground: "grey", objects, relation: null });
}

describe("the verifier's accuracy", () => {
  it("is at least 99% in each category on up to 2,000 disturbed scenes and on a near miss of each", (context) => {
    const generator = new Generator(2000);
    const right = new Map<string, number>();
    const total = new Map<string, number>();
    const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
    for (let index = 0; index < repetitions(2000); index++) {
      const category = categories[index % categories.length];
      // The disturbances change with every round of categories, so that each category meets each of them.
      const [, disturb] = kinds[Math.floor(index / categories.length) % kinds.length];
      const scene = sampleScene(index % 4 < 2 ? "train" : "held-out", generator, category);
      const expectation = expectationOf(scene);
      add(total, category);
      if (verify(disturb(render(scene), generator), expectation).correct) add(right, `${category}, accepted`);
      const other = nearMiss(scene, generator);
      const wrong = verify(disturb(render(other.scene), generator), expectation);
      if (!wrong.correct) add(right, `${category}, near miss rejected`);
    }
    for (const category of categories) {
      for (const what of ["accepted", "near miss rejected"]) {
        const accuracy = (right.get(`${category}, ${what}`) ?? 0) / (total.get(category) ?? 0);
        context.diagnostic(`${category}, ${what}: ${(100 * accuracy).toFixed(2)}%`);
        assert.ok(accuracy >= 0.99, `${category}, ${what}: ${accuracy}`);
      }
    }
  });

  it("is complete on held-out prompts and the scenes they come with", () => {
    for (const { scene, expectation } of heldOutPrompts(120, 5)) {
      assert.deepEqual(verify(render(scene), expectation).reason, "as expected");
    }
  });

  it("finds every object with its colour, size and place", () => {
    const generator = new Generator(6);
    for (let index = 0; index < 200; index++) {
      const { objects } = sampleScene("train", generator);
      const found = detect(render({ category: "two", ground: "sage", objects, relation: null }));
      assert.equal(found.length, objects.length);
      for (const { shape, colour, size, x, y } of objects) {
        const here = found.find((seen) => Math.hypot(seen.x - x, seen.y - y) < 1);
        assert.deepEqual([here?.shape, here?.colour, here?.size], [shape, colour, size]);
      }
    }
  });
});

describe("near misses", () => {
  it("change one thing and stay in training if the scene was", () => {
    const generator = new Generator(7);
    const seen = new Set<string>();
    for (let index = 0; index < 3000; index++) {
      const scene = sampleScene("train", generator);
      const { scene: changed, change } = nearMiss(scene, generator);
      seen.add(`${scene.category} ${change}`);
      assert.equal(sceneSplit(changed), "train");
      assert.equal(changed.objects.length === scene.objects.length, change !== "count");
      assert.notDeepEqual(expectationOf(changed), expectationOf(scene));
    }
    assert.equal(seen.size, 12);
  });
});

describe("reasons", () => {
  const reasons: readonly [
    Category,
    Scene["relation"],
    Parameters<typeof imageOf>,
    Parameters<typeof imageOf>,
    string,
  ][] = [
    [
      "single",
      null,
      [object("star", "red", 20, 20)],
      [object("heart", "red", 20, 20)],
      "expected a star, found red heart",
    ],
    ["single", null, [object("star", "red", 20, 20)], [], "expected a star, found none"],
    [
      "two",
      null,
      [object("star", "red", 15, 20), object("circle", "red", 45, 20)],
      [object("star", "red", 15, 20)],
      "expected a circle, found red star",
    ],
    [
      "counting",
      null,
      [object("circle", "red", 13, 13), object("circle", "red", 43, 13), object("circle", "red", 13, 43)],
      [object("circle", "red", 13, 13), object("circle", "red", 43, 13)],
      "expected 3 red circles, found 2",
    ],
    [
      "counting",
      null,
      [object("circle", "red", 13, 13), object("circle", "red", 43, 13)],
      [object("circle", "red", 13, 13), object("circle", "blue", 43, 13)],
      "expected 2 red circles, found red circle, blue circle",
    ],
    [
      "colours",
      null,
      [object("star", "red", 20, 20)],
      [object("star", "blue", 20, 20)],
      "expected a red star, found blue star",
    ],
    [
      "position",
      "left",
      [object("star", "red", 15, 32), object("circle", "red", 48, 32)],
      [object("star", "red", 48, 32), object("circle", "red", 15, 32)],
      "expected the star left of the circle, found it right of it",
    ],
    [
      "attribution",
      null,
      [object("star", "red", 15, 32), object("circle", "blue", 48, 32)],
      [object("star", "blue", 15, 32), object("circle", "red", 48, 32)],
      "expected a red star, found blue star",
    ],
  ];
  for (const [category, relation, asked, shown, reason] of reasons) {
    it(reason, () => {
      const expectation = expectationOf({ category, relation, ground: "grey", objects: asked });
      assert.equal(verify(imageOf(...asked), expectation).reason, "as expected");
      const verdict = verify(imageOf(...shown), expectation);
      assert.equal(verdict.correct, false);
      assert.equal(verdict.reason, reason);
    });
  }

  it("ignore other objects, as GenEval does, but count exactly", () => {
    const star = object("star", "red", 15, 15);
    const bystander = object("heart", "blue", 46, 46);
    const ask = (category: Category, ...objects: SceneObject[]) =>
      expectationOf({ category, relation: null, ground: "grey", objects });
    assert.ok(verify(imageOf(star, bystander), ask("single", star)).correct);
    assert.ok(verify(imageOf(star, bystander), ask("colours", star)).correct);
    const stars = [star, object("star", "red", 46, 15)];
    assert.ok(verify(imageOf(...stars, bystander), ask("counting", ...stars)).correct);
    assert.equal(
      verify(imageOf(...stars, object("star", "blue", 46, 46)), ask("counting", ...stars)).reason,
      "expected 2 red stars, found 3",
    );
  });
});

describe("odd images", () => {
  const circles = expectationOf({
    category: "single",
    relation: null,
    ground: "grey",
    objects: [object("circle", "red", 20, 20)],
  });

  it("with touching objects are taken apart by colour and at thin places", () => {
    const two = imageOf(object("square", "red", 20, 32), object("circle", "blue", 37, 32));
    assert.deepEqual(
      detect(two)
        .map(({ colour, shape }) => `${colour} ${shape}`)
        .sort(),
      ["blue circle", "red square"],
    );
    const bridged = imageOf(object("circle", "red", 20, 32), object("circle", "red", 39.6, 32));
    assert.deepEqual(
      detect(bridged).map(({ shape }) => shape),
      ["circle", "circle"],
    );
  });

  it("hold no object where there is only ground, noise, or something of another size", () => {
    assert.deepEqual(detect(floatTensor([3, 64, 64])), []);
    const generator = new Generator(9);
    for (let index = 0; index < 20; index++) {
      assert.deepEqual(
        detect(generator.normal([3, 64, 64])).filter(({ shape }) => shape !== null),
        [],
      );
    }
    for (const radius of [4, 20]) {
      assert.deepEqual(
        detect(imageOf(object("circle", "red", 32, 32, radius))).map(({ shape }) => shape),
        [null],
      );
    }
  });

  it("that are not finite are wrong, and of another size refused", () => {
    const image = imageOf(object("circle", "red", 20, 20));
    image.data[77] = Number.NaN;
    assert.deepEqual(verify(image, circles), {
      correct: false,
      reason: "the image holds numbers that are not finite",
      found: [],
    });
    assert.throws(() => verify(floatTensor([3, 32, 32]), circles), InputError);
  });

  it("cannot be verified against a description that names no shape", () => {
    const { mentions, ...rest } = essentials(sampleScene("train", new Generator(1), "single"));
    assert.throws(
      () => expectationFrom({ ...rest, mentions: mentions.map((mention) => ({ ...mention, shape: null })) }),
      InputError,
    );
    assert.throws(() => verify(imageOf(object("circle", "red", 20, 20)), { ...circles, relation: "left" }), InputError);
  });
});
