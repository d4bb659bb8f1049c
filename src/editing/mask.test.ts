import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { squaredDistances } from "./distance.js";
import { coverage, growMask, latentMask, type Mask, pasteWeights, sampleMask, thresholdMask } from "./mask.js";

/** A mask from rows of characters, # for 1. */
function maskOf(...lines: readonly string[]): Mask {
  const width = lines[0]?.length ?? 0;
  return { width, height: lines.length, data: Uint8Array.from(lines.join(""), (c) => (c === "#" ? 1 : 0)) };
}

describe("masks", () => {
  it("split greys at one half", () => {
    const grey = { width: 4, height: 1, data: Uint8Array.of(0, 127, 128, 255) };
    assert.deepEqual([...thresholdMask(grey).data], [0, 0, 1, 1]);
  });
  it("are sampled at the upper left, without averaging", () => {
    const mask = maskOf("#...", "....", "..#.", "...#");
    assert.deepEqual(sampleMask(mask, 2, 2), maskOf("#.", ".#"));
    assert.deepEqual(sampleMask(maskOf("#."), 4, 2), maskOf("##..", "##.."));
    assert.deepEqual(latentMask(mask, 2, 2).shape, [1, 1, 2, 2]);
  });
  it("grow by a radius", () => {
    const dot = maskOf(".....", ".....", "..#..", ".....", ".....");
    assert.deepEqual(growMask(dot, 1), maskOf(".....", "..#..", ".###.", "..#..", "....."));
    assert.deepEqual(growMask(dot, 2), maskOf("..#..", ".###.", "#####", ".###.", "..#.."));
    assert.deepEqual(growMask(dot, 0), dot);
    assert.equal(coverage(growMask(maskOf("....", "...."), 3)), 0);
  });
  it("feather inside of themselves alone", () => {
    const mask = maskOf("..#####");
    assert.deepEqual([...pasteWeights(mask, 0)], [0, 0, 1, 1, 1, 1, 1]);
    assert.deepEqual([...pasteWeights(mask, 3)], [0, 0, 0.25, 0.5, 0.75, 1, 1]);
    assert.deepEqual([...pasteWeights(maskOf("##"), 3)], [1, 1]);
  });
  it("have exact distances", () => {
    const random = (i: number) => Math.abs(Math.sin(12.9898 * (i + 1)) * 43758.5453) % 1;
    for (let trial = 0; trial < 30; trial++) {
      const [width, height] = [1 + Math.floor(12 * random(3 * trial)), 1 + Math.floor(12 * random(3 * trial + 1))];
      const data = Uint8Array.from({ length: width * height }, (_, i) => (random(100 * trial + i) < 0.1 ? 1 : 0));
      const found = squaredDistances({ width, height, data }, (value) => value === 1);
      const ones = [...data.keys()].filter((i) => data[i] === 1);
      const wanted = [...data.keys()].map((i) =>
        Math.min(
          ...ones.map((j) => ((i % width) - (j % width)) ** 2 + (Math.floor(i / width) - Math.floor(j / width)) ** 2),
        ),
      );
      assert.deepEqual([...found], wanted);
    }
  });
});
