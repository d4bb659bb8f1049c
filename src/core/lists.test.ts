import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, hasLength, times, zip } from "./lists.js";

describe("lists", () => {
  it("are read inside their length alone", () => {
    assert.deepEqual([at([5, undefined], 0), at([5, undefined], 1)], [5, undefined]);
    for (const index of [-1, 2, 0.5]) assert.throws(() => at([5, 6], index), RangeError);
  });
  it("are paired where they are equally long", () => {
    assert.deepEqual(zip([1, 2], ["a", "b"]), [
      [1, "a"],
      [2, "b"],
    ]);
    assert.throws(() => zip([1], []), RangeError);
  });
  it("are made at a length", () => {
    const [first, second]: readonly [number, number] = times(2, (index) => index * 2);
    assert.deepEqual([first, second], [0, 2]);
    const broken: number = 1.5;
    assert.throws(() => times(broken, () => 0), RangeError);
  });
  it("know their length", () => {
    assert.deepEqual([hasLength([1, 2], 2), hasLength([1, 2], 3)], [true, false]);
  });
});
