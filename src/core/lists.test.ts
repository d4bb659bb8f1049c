import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, hasLength, times, zip } from "./lists.js";

describe("list helpers", () => {
  it("at reads values within range only", () => {
    assert.deepEqual([at([5, undefined], 0), at([5, undefined], 1)], [5, undefined]);
    for (const index of [-1, 2, 0.5]) assert.throws(() => at([5, 6], index), RangeError);
  });
  it("zip pairs lists of equal length", () => {
    assert.deepEqual(zip([1, 2], ["a", "b"]), [
      [1, "a"],
      [2, "b"],
    ]);
    assert.throws(() => zip([1], []), RangeError);
  });
  it("times creates a list of a given length", () => {
    const [first, second]: readonly [number, number] = times(2, (index) => index * 2);
    assert.deepEqual([first, second], [0, 2]);
    const broken: number = 1.5;
    assert.throws(() => times(broken, () => 0), RangeError);
  });
  it("hasLength checks the length", () => {
    assert.deepEqual([hasLength([1, 2], 2), hasLength([1, 2], 3)], [true, false]);
  });
});
