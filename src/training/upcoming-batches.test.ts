import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../core/errors.js";
import { imageFile } from "../data/captioned-image.js";
import { BatchSampler } from "./batches.js";
import { UpcomingBatches } from "./upcoming-batches.js";

const items = Array.from({ length: 11 }, (_, index) => ({
  ...imageFile(`${index}.png`),
  captions: [`caption ${index % 9}`, `other ${index}`] as const,
}));
const settings = { size: 3, seed: 7, augmentation: { crop: "random", flip: true } } as const;
const sampler = (batches = 0) => new BatchSampler([{ items, share: 1 }], settings, { seed: 7, batches });

describe("UpcomingBatches", () => {
  it("returns the sampler's batches and states for any lookahead", () => {
    fc.assert(
      fc.property(fc.nat(5), fc.array(fc.nat(6), { minLength: 1, maxLength: 12 }), (begun, looks) => {
        const plain = sampler(begun);
        const upcoming = new UpcomingBatches(sampler(begun));
        const expected = Array.from({ length: looks.length + 6 }, () => plain.next());
        for (const [index, most] of looks.entries()) {
          assert.deepEqual([...upcoming.peek(most)], expected.slice(index, index + most));
          assert.deepEqual(upcoming.state(), { seed: 7, batches: begun + index });
          assert.deepEqual(upcoming.next(), expected[index]);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("throws the sampler's error only at the failed batch", () => {
    // Whether two images make a batch depends on the sampled captions.
    const few = items.slice(0, 2).map((item, index) => ({ ...item, captions: ["same", `own ${index}`] as const }));
    const small = (seed: number) => new BatchSampler([{ items: few, share: 1 }], { size: 2, seed });
    const batchesOf = (next: () => unknown) => {
      for (let count = 0; ; count++) {
        try {
          next();
        } catch (error) {
          assert.ok(error instanceof InputError);
          return count;
        }
      }
    };
    const counts = Array.from({ length: 20 }, (_, seed) => {
      const plain = small(seed);
      const upcoming = new UpcomingBatches(small(seed));
      const count = batchesOf(() => plain.next());
      assert.equal([...upcoming.peek(count + 5)].length, count);
      assert.equal(
        batchesOf(() => upcoming.next()),
        count,
      );
      return count;
    });
    assert.ok(Math.max(...counts) > 0);
  });
});
