import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leastMatched, retrieval } from "./retrieval.js";

// Image 2 is hard to denoise under every caption; image 0 is easy.
const errors = [
  [1, 2, 2],
  [5, 4, 6],
  [9, 9, 8],
];
const withoutCaption = [2, 6, 10];

describe("retrieval", () => {
  it("counts images whose best caption is their own, and captions whose most helped image is", () => {
    assert.deepEqual(retrieval({ errors, withoutCaption }, [[0], [1], [2]]), {
      captionOfImage: { right: 3, of: 3 },
      // Less the errors without caption: image 0 [-1, 0, 0], image 1 [-1, -2, 0], image 2 [-1, -1, -2].
      imageOfCaption: { right: 3, of: 3 },
    });
    assert.deepEqual(retrieval({ errors, withoutCaption }, [[1], [0], [2]]), {
      captionOfImage: { right: 1, of: 3 },
      imageOfCaption: { right: 1, of: 3 },
    });
  });

  it("leaves out what has no partner, and says nothing of images where nothing was measured", () => {
    assert.deepEqual(retrieval({ errors, withoutCaption: null }, [[0], [], [2, 1]]), {
      captionOfImage: { right: 2, of: 2 },
      imageOfCaption: null,
    });
    assert.deepEqual(retrieval({ errors, withoutCaption }, [[], [1], []]).imageOfCaption, { right: 1, of: 1 });
  });
});

describe("leastMatched", () => {
  it("puts images first that another caption explains better, by how much", () => {
    assert.deepEqual(leastMatched({ errors }, [[1], [0], [2]]), [
      { image: 0, caption: 1, rival: 0, margin: 1 },
      { image: 1, caption: 0, rival: 1, margin: 1 },
      { image: 2, caption: 2, rival: 0, margin: -1 },
    ]);
    assert.deepEqual(leastMatched({ errors }, [[0, 1], [], [0, 1, 2]]), [
      { image: 0, caption: 0, rival: 2, margin: -1 },
      { image: 2, caption: 2, rival: null, margin: Number.NEGATIVE_INFINITY },
    ]);
  });
});
