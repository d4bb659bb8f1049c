import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatP, scoreFormat, typeset } from "./score-format.js";

describe("scores", () => {
  it("of verdicts are percentages and points", () => {
    const format = scoreFormat("verdict", 1);
    assert.deepEqual([0, 0.6204, 1].map(format.value), ["0.0%", "62.0%", "100.0%"]);
    assert.deepEqual([0.117, -0.0204, -0.0001, 0].map(format.signed), ["+11.7", "-2.0", "0.0", "0.0"]);
    assert.equal(format.signedRange({ low: -0.01, high: 0.162 }), "-1.0 to +16.2");
    assert.equal(format.range({ low: 0.581, high: 0.66 }), "58.1 to 66.0");
  });

  it("of other metrics show four digits of the largest", () => {
    const write = (value: number, largest: number) => scoreFormat("number", largest).value(value);
    assert.deepEqual(
      [write(0.3121, 0.3121), write(31.2, 31.2), write(-5, 12345), write(0, 0)],
      ["0.3121", "31.20", "-5", "0.0"],
    );
    assert.equal(scoreFormat("number", 0.3).signed(-0.00001), "0.0000");
    assert.deepEqual([3e-7, -2e-9, 0].map(scoreFormat("number", 3e-7).signed), ["+3.000e-7", "-2.000e-9", "0.000e+0"]);
  });

  it("have p-values without false zeros, and minus signs as wide as plus signs", () => {
    assert.deepEqual([1, 0.125, 0.0341, 0.00123, 1e-9, 0].map(formatP), [
      "p = 1.00",
      "p = 0.13",
      "p = 0.034",
      "p = 0.0012",
      "p < 0.001",
      "p < 0.001",
    ]);
    assert.equal(typeset("-1.0 to +2.0"), "\u22121.0 to +2.0");
  });
});
