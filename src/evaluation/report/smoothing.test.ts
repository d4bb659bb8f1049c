import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { smooth, smoothingWindow } from "./smoothing.js";

describe("the smoothed line", () => {
  it("is the mean of full windows only", () => {
    assert.deepEqual(smooth([1, 2, 6, 4, 5], 3), [3, 4, 5]);
    assert.deepEqual(smooth([1, 2], 3), []);
  });

  it("leaves a straight line where it is", () => {
    const line = Array.from({ length: 100 }, (_, i) => 2 * i);
    assert.deepEqual(smooth(line, 5), line.slice(2, -2));
  });

  it("has an odd window of about a twentieth", () => {
    assert.deepEqual([20, 100, 1000].map(smoothingWindow), [3, 5, 51]);
  });
});
