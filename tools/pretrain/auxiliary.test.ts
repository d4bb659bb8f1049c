import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "#softrepa/core/random.js";
import { cropped, sampleScene } from "#softrepa/scenes/sample-scene.js";
import { colours, type Scene, shapes } from "#softrepa/scenes/scene.js";
import { objectTargets } from "./auxiliary.js";

const scene: Scene = {
  category: "attribution",
  ground: "tan",
  relation: null,
  objects: [
    { shape: "star", colour: "blue", size: "small", x: 12, y: 20, radius: 8 },
    { shape: "square", colour: "black", size: "small", x: 44, y: 44, radius: 8 },
  ],
};
const width = 1 + shapes.length + 1 + colours.length + 2;

describe("what the auxiliary head should find", () => {
  it("is shape, colour and centre of the object whose box holds the token's middle, and nothing elsewhere", () => {
    const targets = objectTargets([scene], 8);
    assert.deepEqual(targets.shape, [1, 64, width]);
    const at = (column: number, row: number) => {
      const values = targets.data.subarray((row * 8 + column) * width, (row * 8 + column + 1) * width);
      const shape = values.subarray(0, 1 + shapes.length).indexOf(1);
      const colour = values.subarray(1 + shapes.length, width - 2).indexOf(1);
      return [shapes[shape - 1], colours[colour - 1], values[width - 2], values[width - 1]];
    };
    // Token (1, 2) has its middle at (12, 20), token (5, 4) at (44, 36).
    assert.deepEqual(at(1, 2), ["star", "blue", 0, 0]);
    assert.deepEqual(at(5, 4), ["square", "black", 0, 1]);
    assert.deepEqual(at(4, 5), ["square", "black", 1, 0]);
    assert.deepEqual(at(7, 0), [undefined, undefined, 0, 0]);
  });

  it("names one class each and no offset beyond the box, whole scenes or cut", () => {
    const random = new Generator(1);
    const scenes = Array.from({ length: 40 }, () => sampleScene("train", random));
    const { data } = objectTargets([...scenes, ...scenes.map((whole) => cropped(whole, random))], 8);
    let objects = 0;
    for (let start = 0; start < data.length; start += width) {
      const row = data.subarray(start, start + width);
      const ones = (from: number, to: number) => row.subarray(from, to).reduce((sum, x) => sum + x, 0);
      assert.equal(ones(0, 1 + shapes.length), 1);
      assert.equal(ones(1 + shapes.length, width - 2), 1);
      assert.equal(row[0], row[1 + shapes.length]);
      assert.ok(Math.max(Math.abs(row[width - 2]), Math.abs(row[width - 1])) < 1.2);
      objects += 1 - row[0];
    }
    assert.ok(objects > 80 * 4, `${objects} tokens with an object`);
  });
});
