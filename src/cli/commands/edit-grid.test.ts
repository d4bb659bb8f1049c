import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseGrid } from "./edit-grid.js";

describe("parseGrid", () => {
  it("reads ranges and lists", () => {
    assert.deepEqual(parseGrid(["n-max=20..40:5", "target-guidance=5,9,13.5"]), [
      { option: "nMax", values: [20, 25, 30, 35, 40] },
      { option: "targetGuidance", values: [5, 9, 13.5] },
    ]);
    assert.deepEqual(parseGrid(["image-strength=0.1..0.3:0.1"])[0]?.values, [0.1, 0.2, 0.3]);
    assert.deepEqual(parseGrid(["preset=flowedit,softrepa"])[0]?.values, ["flowedit", "softrepa"]);
  });

  it("rejects unknown options, damaged ranges, repeated options and too many cells", () => {
    assert.throws(() => parseGrid(["size=1,2"]), /`grid` size=1,2 must be an option of the method/);
    assert.throws(() => parseGrid(["n-max=5..2:1"]), /must have a range FROM\.\.TO:STEP/);
    assert.throws(() => parseGrid(["n-max=2..5"]), /must have a range FROM\.\.TO:STEP/);
    assert.throws(() => parseGrid(["n-max=1,2", "n-max=3"]), /n-max twice/);
    assert.throws(() => parseGrid(["n-max=1", "n-min=0", "steps=5"]), /one or two/);
    assert.throws(() => parseGrid(["n-max=1..40:1", "steps=1..40:1"]), /1600 cells, at most 400/);
  });
});
