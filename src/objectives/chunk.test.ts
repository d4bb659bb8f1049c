import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { defaultChunk } from "./chunk.js";

describe("defaultChunk", () => {
  it("takes a small batch whole, and one pair a run where pairs are large", () => {
    assert.equal(defaultChunk(4, 200), 4);
    assert.equal(defaultChunk(4, 1024 + 333), 2);
    assert.equal(defaultChunk(4, 4096 + 333), 1);
    assert.equal(defaultChunk(16, 1024 + 333), 3);
  });

  it("never takes more than fits, needs no more runs than that, and leaves few places empty", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 20000 }), (batch, tokens) => {
        const chunk = defaultChunk(batch, tokens);
        const most = Math.max(1, Math.floor(4096 / tokens));
        assert.ok(Number.isInteger(chunk) && chunk >= 1 && chunk <= most && chunk <= batch);
        const runs = Math.ceil(batch / chunk);
        assert.equal(runs, Math.ceil(batch / most));
        assert.ok(runs * chunk - batch < runs);
      }),
    );
  });
});
