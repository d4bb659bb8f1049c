import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { floatTensor } from "../core/tensor.js";
import { cropCentre, interpolateBilinear, type RgbImage, resizeImage } from "./resample.js";

const numbers = z.array(z.number());
const pair = z.tuple([z.number(), z.number()]);
const { resize, interpolate } = z
  .object({
    resize: z.array(
      z.object({ width: z.number(), height: z.number(), data: numbers, to: pair, bilinear: numbers, bicubic: numbers }),
    ),
    interpolate: z.array(z.object({ shape: numbers, data: numbers, to: pair, expected: numbers })),
  })
  .parse(JSON.parse(readFileSync(join(process.cwd(), "test", "fixtures", "images", "resize.json"), "utf8")));

describe("resizeImage", () => {
  for (const { width, height, data, to, ...expected } of resize) {
    for (const kernel of ["bilinear", "bicubic"] as const) {
      it(`${width} x ${height} to ${to.join(" x ")}, ${kernel}: matches Pillow`, () => {
        const resized = resizeImage({ width, height, data: Uint8Array.from(data) }, ...to, kernel);
        assert.deepEqual([resized.width, resized.height], to);
        assert.deepEqual([...resized.data], expected[kernel]);
      });
    }
  }

  it("rejects a size of zero", () => {
    const image = { width: 1, height: 1, data: new Uint8Array(3) };
    assert.throws(() => resizeImage(image, 0, 4, "bicubic"), /cannot be resized to 0 x 4/);
  });
});

describe("interpolateBilinear", () => {
  for (const { shape, data, to, expected } of interpolate) {
    it(`${shape.join(" x ")} to ${to.join(" x ")}: matches PyTorch`, () => {
      const resized = interpolateBilinear(floatTensor(shape, Float32Array.from(data)), ...to);
      for (const [i, value] of expected.entries()) assert.ok(Math.abs(resized.data[i] - value) < 1e-6, `at ${i}`);
      assert.equal(resized.data.length, expected.length);
    });
  }
});

describe("cropCentre", () => {
  /** Pixels that encode their position: red is the column, green the row. */
  const grid = (width: number, height: number): RgbImage => ({
    width,
    height,
    data: Uint8Array.from({ length: 3 * width * height }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return [1 + (pixel % width), 1 + Math.floor(pixel / width), 7][i % 3];
    }),
  });
  const corner = ({ data }: RgbImage) => [...data.subarray(0, 2)];

  it("crops the centre and rounds half a pixel as specified", () => {
    assert.deepEqual(corner(cropCentre(grid(6, 4), 4, 4, "even")), [2, 1]);
    // Offsets of one half and of one and a half.
    assert.deepEqual(corner(cropCentre(grid(5, 7), 4, 4, "down")), [1, 2]);
    assert.deepEqual(corner(cropCentre(grid(5, 7), 4, 4, "even")), [1, 3]);
  });

  it("pads a smaller image with black", () => {
    const cut = cropCentre(grid(1, 2), 4, 2, "even");
    const reds = Array.from({ length: 8 }, (_, pixel) => cut.data[3 * pixel]);
    assert.deepEqual(reds, [0, 1, 0, 0, 0, 1, 0, 0]);
  });
});
