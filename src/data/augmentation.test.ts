import assert from "node:assert/strict";
import { test } from "node:test";
import { Generator } from "../core/random.js";
import { namesSide, sampleView, viewKey } from "./augmentation.js";

test("namesSide detects captions that name left or right", () => {
  const yes = [
    "a cat on the left",
    "LEFT of the dog",
    "Right: a tree.",
    "a left-hand glove",
    "a lefthand drive",
    "the leftmost chair",
    "the right-most chair",
    "facing rightwards",
    "on the right's edge",
    "left/right",
    "the right-handed player",
    "two dogs,left",
  ];
  const no = ["a bright light", "copyright", "upright", "cleft lip", "an aright word", "lefty", "theft", "", "gauche"];
  assert.deepEqual(
    yes.filter((caption) => !namesSide(caption)),
    [],
  );
  assert.deepEqual(no.filter(namesSide), []);
});

test("does not advance the generator if nothing is random", () => {
  const [random, untouched] = [new Generator(1), new Generator(1)];
  assert.deepEqual(sampleView({ crop: "center", flip: false }, "a cat", random), { crop: "center", flip: false });
  assert.deepEqual(random.state(), untouched.state());
});

test("a caption affects whether its own image is flipped, but not the views sampled after it", () => {
  const augmentation = { crop: "random", flip: true } as const;
  const sampleAfter = (caption: string) => {
    const random = new Generator(2);
    sampleView(augmentation, caption, random);
    return Array.from({ length: 5 }, () => sampleView(augmentation, "a cat", random));
  };
  assert.deepEqual(sampleAfter("on the left"), sampleAfter("on the sofa"));
});

test("fixed views have unique keys, random ones none", () => {
  const keys = [
    viewKey("a.png", { crop: "center" }),
    viewKey("a.png", { crop: "center", flip: true }),
    viewKey("b.png", { crop: "center" }),
  ];
  assert.equal(new Set(keys).size, 3);
  assert.equal(viewKey("a.png", { crop: "center", flip: false }), keys[0]);
  assert.equal(viewKey("a.png", { crop: { x: 0, y: 0 } }), undefined);
});
