import assert from "node:assert/strict";
import { test } from "node:test";
import { Generator } from "../core/random.js";
import { drawView, namesSide, viewKey } from "./augmentation.js";

test("captions that name left or right", () => {
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

test("what is not random takes no number from the generator", () => {
  const [random, untouched] = [new Generator(1), new Generator(1)];
  assert.deepEqual(drawView({ crop: "center", flip: false }, "a cat", random), { crop: "center", flip: false });
  assert.deepEqual(random.state(), untouched.state());
});

test("a caption changes only whether its own picture is mirrored, not what is drawn behind it", () => {
  const augmentation = { crop: "random", flip: true } as const;
  const draw = (caption: string) => {
    const random = new Generator(2);
    drawView(augmentation, caption, random);
    return Array.from({ length: 5 }, () => drawView(augmentation, "a cat", random));
  };
  assert.deepEqual(draw("on the left"), draw("on the sofa"));
});

test("views that come again have a key of their own, views that do not have none", () => {
  const keys = [
    viewKey("a.png", { crop: "center" }),
    viewKey("a.png", { crop: "center", flip: true }),
    viewKey("b.png", { crop: "center" }),
  ];
  assert.equal(new Set(keys).size, 3);
  assert.equal(viewKey("a.png", { crop: "center", flip: false }), keys[0]);
  assert.equal(viewKey("a.png", { crop: { x: 0, y: 0 } }), undefined);
});
