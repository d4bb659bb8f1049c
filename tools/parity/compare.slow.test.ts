import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { floatTensor } from "#softrepa/core/tensor.js";
import { compare, formatComparison, limits } from "./compare.js";

const tensor = (...values: number[]) => floatTensor([values.length], Float32Array.from(values));
const ok = (actual: number[], expected: number[], limit: Parameters<typeof compare>[3]) =>
  compare("x", tensor(...actual), tensor(...expected), limit).ok;

describe("compare", () => {
  it("allows absolute plus relative errors per element", () => {
    const limit = { kind: "each", absolute: 0.1, relative: 0.01 } as const;
    assert.equal(ok([1.1, 10.19, -10.19], [1, 10, -10], limit), true);
    assert.equal(ok([1.12, 10, -10], [1, 10, -10], limit), false);
    assert.equal(ok([1, 10, -10.21], [1, 10, -10], limit), false);
  });

  it("allows a relative error of the whole tensor", () => {
    assert.equal(ok([1000, 0.9], [1000, 0], limits.gradient), true);
    assert.equal(ok([1000, 1.1], [1000, 0], limits.gradient), false);
    assert.equal(ok([0, 0], [0, 0], limits.gradient), true);
    assert.equal(ok([1e-9, 0], [0, 0], limits.gradient), false);
  });

  it("rejects non-finite values and other sizes", () => {
    for (const limit of Object.values(limits)) {
      assert.equal(ok([Number.NaN, 1], [1, 1], limit), false);
      assert.equal(ok([1, 1], [1, Number.NaN], limit), false);
      assert.equal(ok([Number.POSITIVE_INFINITY, 1], [1, 1], limit), false);
      assert.equal(ok([1], [1, 1], limit), false);
      assert.equal(ok([1, 1, 1], [1, 1], limit), false);
    }
  });

  it("reports the largest errors in a line with the limit and the verdict", () => {
    const comparison = compare("vae mean", tensor(1, 2.5, 3), tensor(1, 2, 3), limits.module);
    assert.deepEqual([comparison.largestAbsolute, comparison.largestRelative], [0.5, 0.25]);
    assert.match(
      formatComparison(comparison),
      /^vae mean +abs 5\.0e-1 +rel 2\.5e-1 +limit 0\.0002 \+ 0\.001 \|x\| +FAIL$/,
    );
    const whole = compare("grad", tensor(3, 4), tensor(3, 4), limits.gradient);
    assert.match(formatComparison(whole), /^grad +abs 0\.0e\+0 +rel 0\.0e\+0 +limit L2 0\.001 +ok$/);
    const shape = formatComparison(compare("x", tensor(1), tensor(1, 2), limits.module));
    assert.match(shape, /FAIL \(shape \[1\] instead of \[2\]\)$/);
  });
});
