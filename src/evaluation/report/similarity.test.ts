import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rank1Shares } from "./similarity.js";

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
