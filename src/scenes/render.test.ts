import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { imageNumbers, render, renderInto } from "./render.js";
import { sampleScene } from "./sample-scene.js";
import { colourRgb, groundRgb, type Scene, shapes } from "./scene.js";

const plain: Scene = { category: "single", ground: "tan", objects: [], relation: null };

function withShape(shape: (typeof shapes)[number], x = 32, y = 32): Scene {
  return { ...plain, objects: [{ shape, colour: "blue", size: "large", x, y, radius: 12 }] };
}

describe("rendering", () => {
  it("fills the ground with its colour", () => {
    const { data, shape } = render(plain);
    assert.deepEqual(shape, [3, 64, 64]);
    groundRgb.tan.forEach((value, channel) => {
      const plane = data.subarray(channel * 4096, (channel + 1) * 4096);
      assert.ok(plane.every((pixel) => pixel === Math.fround(2 * value - 1)));
    });
  });

  it("renders each shape in its colour, within its box, with soft edges", () => {
    for (const shape of shapes) {
      const { data } = render(withShape(shape));
      const [ground, object] = [2 * groundRgb.tan[2] - 1, 2 * colourRgb.blue[2] - 1];
      const cover = [...data.subarray(2 * 4096)].map((value) => (value - ground) / (object - ground));
      assert.ok(cover.every((value) => value > -1e-5 && value < 1 + 1e-5));
      assert.ok(cover.filter((value) => value > 0.05 && value < 0.95).length > 15, `${shape} has no soft edge`);
      const area = cover.reduce((sum, value) => sum + value, 0);
      assert.ok(area > 150 && area < 450, `${shape} covers ${area}`);
      cover.forEach((value, pixel) => {
        const outside = Math.max(Math.abs((pixel % 64) - 31.5), Math.abs(Math.floor(pixel / 64) - 31.5)) > 13;
        assert.ok(!outside || value < 1e-5, `${shape} leaves its box`);
      });
    }
  });

  it("covers a circle's area wherever it lies between the pixels", () => {
    const [ground, object] = [2 * groundRgb.tan[2] - 1, 2 * colourRgb.blue[2] - 1];
    for (const shift of [0, 0.25, 0.5, 0.9]) {
      const { data } = render(withShape("circle", 30 + shift, 30 - shift));
      const area = data.subarray(2 * 4096).reduce((sum, value) => sum + (value - ground) / (object - ground), 0);
      assert.ok(Math.abs(area / (Math.PI * (0.95 * 12) ** 2) - 1) < 0.003, `${area}`);
    }
  });

  it("cuts off what lies beyond the edge", () => {
    for (const [x, y] of [
      [0, 0],
      [64, 10],
      [-30, 20],
      [90, 90],
    ] as const)
      render(withShape("star", x, y));
  });

  it("is the same from run to run", () => {
    const hash = createHash("sha256");
    const generator = new Generator(1);
    for (let index = 0; index < 200; index++) {
      // Bytes, as images are stored: the last bits of a sine may change with the version of Node.
      hash.update(
        Uint8Array.from(render(sampleScene("train", generator)).data, (value) => Math.round((value + 1) * 127.5)),
      );
    }
    assert.equal(hash.digest("hex").slice(0, 16), "cd6f4c573a4bb2cd");
  });

  it("writes into a batch, and nowhere else", () => {
    const scene = sampleScene("train", new Generator(2));
    const batch = new Float32Array(3 * imageNumbers).fill(7);
    renderInto(scene, batch, imageNumbers);
    assert.deepEqual(batch.subarray(imageNumbers, 2 * imageNumbers), render(scene).data);
    assert.ok(batch.subarray(0, imageNumbers).every((value) => value === 7));
    assert.ok(batch.subarray(2 * imageNumbers).every((value) => value === 7));
    assert.throws(() => renderInto(scene, batch, 2 * imageNumbers + 1), InputError);
  });
});
