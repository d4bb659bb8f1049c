import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { precisions } from "../runtime/engine.js";
import { defaultChunk } from "./chunk.js";

const sizes = fc.integer({ min: 1, max: 4096 });

describe("defaultChunk", () => {
  it("takes a small batch whole, and one pair a run where pairs are large", () => {
    assert.equal(defaultChunk(4, 200, "fp32"), 4);
    assert.equal(defaultChunk(4, 1024 + 333, "fp32"), 2);
    assert.equal(defaultChunk(4, 4096 + 333, "fp32"), 1);
    assert.equal(defaultChunk(16, 1024 + 333, "fp32"), 3);
  });

  it("takes more where products are faster", () => {
    assert.equal(defaultChunk(4, 1024 + 154, "bf16"), 4);
    assert.equal(defaultChunk(16, 1024 + 333, "bf16"), 6);
  });

  it("never takes more than fits, needs no more runs than that, and leaves few places empty", () => {
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 20000 }),
        fc.constantFrom(...precisions),
        (batch, tokens, precision) => {
          const chunk = defaultChunk(batch, tokens, precision);
          const most = Math.max(1, Math.floor((precision === "bf16" ? 8192 : 4096) / tokens));
          assert.ok(Number.isInteger(chunk) && chunk >= 1 && chunk <= most && chunk <= batch);
          const runs = Math.ceil(batch / chunk);
          assert.equal(runs, Math.ceil(batch / most));
          assert.ok(runs * chunk - batch < runs);
        },
      ),
    );
  });
});
