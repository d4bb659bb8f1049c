import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { inBatch, matchedCaption, pairsPerGroup, pairsPerRow, runsPerStep } from "./candidates.js";

describe("candidates", () => {
  it("are all captions of the batch, without random choices", () => {
    const random = new Generator(1);
    const before = random.state();
    assert.deepEqual(inBatch().rows(2, random), [
      { image: 0, captions: [0, 1], matched: 0 },
      { image: 1, captions: [0, 1], matched: 1 },
    ]);
    assert.deepEqual(random.state(), before);
  });

  it("are the matched caption alone, without random choices", () => {
    const random = new Generator(1);
    const before = random.state();
    assert.deepEqual(matchedCaption().rows(2, random), [
      { image: 0, captions: [0], matched: 0 },
      { image: 1, captions: [1], matched: 0 },
    ]);
    assert.deepEqual(random.state(), before);
  });

  it("are the matched caption and distinct sampled ones, the same for the same generator state", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 15 }),
        fc.nat(),
        (batch, negatives, seed) => {
          const random = new Generator(seed);
          const rows = inBatch(negatives).rows(batch, random);
          assert.deepEqual(
            rows.map(({ image }) => image),
            Array.from({ length: batch }, (_, image) => image),
          );
          for (const { image, captions, matched } of rows) {
            assert.equal(captions[matched], image);
            assert.equal(captions.length, pairsPerRow(inBatch(negatives), batch));
            assert.equal(new Set(captions).size, captions.length);
            assert.ok(captions.every((caption) => caption >= 0 && caption < batch));
          }
          assert.deepEqual(inBatch(negatives).rows(batch, new Generator(seed)), rows);
        },
      ),
    );
  });

  it("differ between rows and steps if they are sampled", () => {
    const random = new Generator(1);
    const sampled = () =>
      inBatch(2)
        .rows(8, random)
        .map(({ captions }) => captions.slice(1).join());
    const [first, second] = [sampled(), sampled()];
    assert.ok(new Set(first).size > 4);
    assert.notDeepEqual(first, second);
  });

  it("rejects a number of mismatched captions that is not a positive integer", () => {
    for (const negatives of [0, -1, 1.5]) assert.throws(() => inBatch(negatives), UsageError);
  });

  it("determine the pairs and runs of a step", () => {
    const counts = (candidates: ReturnType<typeof inBatch>, batch: number, pairsPerRun: number) => [
      pairsPerRow(candidates, batch),
      pairsPerGroup(candidates, batch),
      runsPerStep(candidates, batch, pairsPerRun),
    ];
    assert.deepEqual(counts(inBatch(), 8, 4), [8, 8, 16]);
    assert.deepEqual(counts(inBatch(2), 8, 2), [3, 3, 16]);
    assert.deepEqual(counts(inBatch(9), 4, 4), [4, 4, 4]);
    assert.deepEqual(counts(matchedCaption(), 8, 3), [1, 8, 3]);
  });
});
