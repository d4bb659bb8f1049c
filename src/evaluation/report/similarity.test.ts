import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ownCaptions, rank1Shares, similarityLines } from "./similarity.js";

const captions = ["a", "b", "c"];

describe("rank-1 shares", () => {
  const values = [
    [0.1, 0.5, 0.9],
    [0.2, 0.3, 0.1],
    [0.4, 0.2, 0.3],
  ];
  const own = [[0], [1], [2]];

  it("count images whose own caption is best, and captions whose own image is", () => {
    assert.deepEqual(rank1Shares(values, { own, captions, better: "lower" }), {
      rows: { right: 1, of: 3 },
      columns: { right: 1, of: 3 },
    });
    assert.deepEqual(rank1Shares(values, { own, captions, better: "higher" }), {
      rows: { right: 1, of: 3 },
      columns: { right: 0, of: 3 },
    });
  });

  it("take any of several own captions, and leave out what is not known", () => {
    assert.deepEqual(rank1Shares(values, { own: [[0], [1, 2], []], captions, better: "lower" }), {
      rows: { right: 2, of: 2 },
      columns: { right: 2, of: 3 },
    });
  });

  it("see nothing right in a matrix of equal numbers", () => {
    const equal = captions.map(() => [1, 1, 1]);
    assert.deepEqual(rank1Shares(equal, { own, captions, better: "higher" }), {
      rows: { right: 0, of: 3 },
      columns: { right: 0, of: 3 },
    });
  });
});

describe("own captions", () => {
  const values = [
    [0.25, 0.5, 1],
    [0.5, 1, 0.5],
    [1, 2, 3],
  ];

  it("are compared with the others image by image, the better the higher", () => {
    const own = [[0], [0, 2], []];
    // 0.75 against 0.25, and 1 against 0.5; the third image has none of its own.
    assert.deepEqual(ownCaptions(values, { own, better: "lower" }), { own: 0.375, lead: 0.5 });
    assert.deepEqual(ownCaptions(values, { own, better: "higher" }), { own: 0.375, lead: -0.5 });
  });

  it("are told in a line for each matrix", () => {
    const own = [[0], [0, 2], []];
    const matrices = [{ name: "base", values }];
    assert.deepEqual(
      similarityLines({ measure: "error", captions, images: captions, own, better: "lower", matrices }),
      ["base: own caption first for 2 of 2 images, mean 0.3750 under it, others worse by 0.5000"],
    );
  });

  it("cannot be compared where an image has none, or no others", () => {
    assert.equal(ownCaptions(values, { own: [[], [0, 1, 2], []], better: "lower" }), null);
  });
});
