import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { precisions } from "../runtime/engine.js";
import { defaultPairsPerRun } from "./execution-plan.js";

const sizes = fc.integer({ min: 1, max: 4096 });

describe("defaultPairsPerRun", () => {
  it("runs a small row at once, and large pairs one by one", () => {
    assert.equal(defaultPairsPerRun(4, 200, "fp32"), 4);
    assert.equal(defaultPairsPerRun(4, 1024 + 333, "fp32"), 2);
    assert.equal(defaultPairsPerRun(4, 4096 + 333, "fp32"), 1);
    assert.equal(defaultPairsPerRun(16, 1024 + 333, "fp32"), 3);
  });

  it("runs more pairs together in bf16", () => {
    assert.equal(defaultPairsPerRun(4, 1024 + 154, "bf16"), 4);
    assert.equal(defaultPairsPerRun(16, 1024 + 333, "bf16"), 6);
  });

  it("stays below the token limit with the fewest runs and little padding", () => {
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 20000 }),
        fc.constantFrom(...precisions),
        (pairs, tokens, precision) => {
          const pairsPerRun = defaultPairsPerRun(pairs, tokens, precision);
          const most = Math.max(1, Math.floor((precision === "bf16" ? 8192 : 4096) / tokens));
          assert.ok(Number.isInteger(pairsPerRun) && pairsPerRun >= 1 && pairsPerRun <= most && pairsPerRun <= pairs);
          const runs = Math.ceil(pairs / pairsPerRun);
          assert.equal(runs, Math.ceil(pairs / most));
          assert.ok(runs * pairsPerRun - pairs < runs);
        },
      ),
    );
  });
});
