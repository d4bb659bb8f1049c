import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { inBatch, ownCaption, pairsPerRow, pairsTogether, runsPerStep } from "./candidates.js";

describe("candidates", () => {
  it("are all captions of the batch, drawing nothing", () => {
    const random = new Generator(1);
    const before = random.state();
    assert.deepEqual(inBatch().rows(2, random), [
      { image: 0, captions: [0, 1], own: 0 },
      { image: 1, captions: [0, 1], own: 1 },
    ]);
    assert.deepEqual(random.state(), before);
  });

  it("are the own caption alone, drawing nothing", () => {
    const random = new Generator(1);
    const before = random.state();
    assert.deepEqual(ownCaption().rows(2, random), [
      { image: 0, captions: [0], own: 0 },
      { image: 1, captions: [1], own: 0 },
    ]);
    assert.deepEqual(random.state(), before);
  });

  it("are the own caption and others that are drawn, each once, the same from the same state", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 15 }), fc.nat(), (batch, drawn, seed) => {
        const random = new Generator(seed);
        const rows = inBatch(drawn).rows(batch, random);
        assert.deepEqual(
          rows.map(({ image }) => image),
          Array.from({ length: batch }, (_, image) => image),
        );
        for (const { image, captions, own } of rows) {
          assert.equal(captions[own], image);
          assert.equal(captions.length, pairsPerRow(inBatch(drawn), batch));
          assert.equal(new Set(captions).size, captions.length);
          assert.ok(captions.every((caption) => caption >= 0 && caption < batch));
        }
        assert.deepEqual(inBatch(drawn).rows(batch, new Generator(seed)), rows);
      }),
    );
  });

  it("differ from row to row and step to step where they are drawn", () => {
    const random = new Generator(1);
    const drawn = () =>
      inBatch(2)
        .rows(8, random)
        .map(({ captions }) => captions.slice(1).join());
    const [first, second] = [drawn(), drawn()];
    assert.ok(new Set(first).size > 4);
    assert.notDeepEqual(first, second);
  });

  it("refuse to draw no caption, or half of one", () => {
    for (const drawn of [0, -1, 1.5]) assert.throws(() => inBatch(drawn), UsageError);
  });

  it("say how many pairs and runs a step has", () => {
    const told = (candidates: ReturnType<typeof inBatch>, batch: number, pairsPerRun: number) => [
      pairsPerRow(candidates, batch),
      pairsTogether(candidates, batch),
      runsPerStep(candidates, batch, pairsPerRun),
    ];
    assert.deepEqual(told(inBatch(), 8, 4), [8, 8, 16]);
    assert.deepEqual(told(inBatch(2), 8, 2), [3, 3, 16]);
    assert.deepEqual(told(inBatch(9), 4, 4), [4, 4, 4]);
    assert.deepEqual(told(ownCaption(), 8, 3), [1, 8, 3]);
  });
});
