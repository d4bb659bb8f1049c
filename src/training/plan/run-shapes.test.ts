import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { defaultChunk } from "../../objectives/chunk.js";
import { precisions } from "../../runtime/engine.js";
import { type RunShape, runShapes, tradeOffs } from "./run-shapes.js";

/** `4` for four pairs a run with activations kept, `4+` where they are computed twice, `4r` with repacked weights. */
const told = (shapes: readonly RunShape[]) =>
  shapes
    .map(({ chunk, checkpoints, repackWeights }) => `${chunk}${checkpoints ? "+" : ""}${repackWeights ? "r" : ""}`)
    .join(" ");

const large = { batch: 4, tokensAPair: 1024 + 154, precision: "fp32", repack: "never" } as const;
const middle = { ...large, batch: 8, tokensAPair: 400 };
const small = { ...large, batch: 8, tokensAPair: 81 };

describe("runShapes", () => {
  it("keeps activations rather than pairs together, as long as a run has enough to compute", () => {
    const auto = { checkpoints: "auto", limited: false } as const;
    assert.equal(told(runShapes({ ...large, ...auto })), "2 1 2+");
    assert.equal(told(runShapes({ ...middle, ...auto })), "8 4 3 8+");
    assert.equal(told(runShapes({ ...small, ...auto })), "8 8+");
    assert.equal(told(runShapes({ ...large, tokensAPair: 5000, ...auto })), "1 1+");
    assert.equal(told(runShapes({ ...large, ...auto, precision: "bf16" })), "4 2 1 4+");
  });
  it("goes on to fewer pairs with activations computed twice where memory has a limit", () => {
    const auto = { checkpoints: "auto", limited: true } as const;
    assert.equal(told(runShapes({ ...large, ...auto })), "2 1 2+ 1+");
    assert.equal(told(runShapes({ ...small, ...auto })), "8 8+ 4+ 3+ 2+ 1+");
  });
  it("tries each with repacked weights first", () => {
    const auto = { checkpoints: "auto", repack: "auto", limited: false } as const;
    assert.equal(told(runShapes({ ...large, ...auto })), "2r 2 1r 1 2+r 2+");
    assert.equal(told(runShapes({ ...large, ...auto, checkpoints: "never" })), "2r 2 1r 1");
    assert.equal(told(runShapes({ ...large, ...auto, repack: "always" })), "2r 1r 2+r");
  });
  it("does as it is told", () => {
    assert.equal(told(runShapes({ ...large, checkpoints: "always", limited: false })), "2+");
    assert.equal(told(runShapes({ ...small, checkpoints: "never", limited: false })), "8 4 3 2 1");
    assert.equal(told(runShapes({ ...small, chunk: 2, checkpoints: "auto", limited: true })), "2 2+");
    assert.equal(told(runShapes({ ...small, chunk: 2, checkpoints: "never", limited: false })), "2");
  });
  it("always has a way to go, never with more pairs than usual, and the least memory last of each kind", () => {
    fc.assert(
      fc.property(
        fc.record({
          batch: fc.integer({ min: 1, max: 300 }),
          tokensAPair: fc.integer({ min: 1, max: 9000 }),
          checkpoints: fc.constantFrom(...tradeOffs),
          limited: fc.boolean(),
          precision: fc.constantFrom(...precisions),
          repack: fc.constantFrom(...tradeOffs),
        }),
        (wishes) => {
          const tried = runShapes(wishes);
          const shapes = tried.filter(({ repackWeights }) => repackWeights === (wishes.repack === "always"));
          assert.equal(tried.length, wishes.repack === "auto" ? 2 * shapes.length : shapes.length);
          const usual = defaultChunk(wishes.batch, wishes.tokensAPair, wishes.precision);
          assert.equal(shapes[0].chunk, usual);
          const [kept, twice] = [false, true].map((kind) => shapes.filter(({ checkpoints }) => checkpoints === kind));
          assert.deepEqual([...kept, ...twice], shapes);
          for (const { chunk } of shapes) assert.ok(Number.isInteger(chunk) && chunk >= 1 && chunk <= usual);
          for (const kind of [kept, twice])
            assert.ok(kind.every(({ chunk }, i) => i === 0 || chunk < kind[i - 1].chunk));
          for (const { chunk } of wishes.checkpoints === "auto" ? kept : []) {
            assert.ok(chunk === usual || chunk * wishes.tokensAPair >= 1024);
          }
        },
      ),
    );
  });
});
