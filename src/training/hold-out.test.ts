import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { InputError } from "../core/errors.js";
import { type CaptionedImage, imageFile } from "../data/captioned-image.js";
import { holdOut } from "./hold-out.js";

const pool = (name: string, count: number, share: number) => ({
  items: Array.from(
    { length: count },
    (_, index): CaptionedImage => ({ ...imageFile(`${name}${index}`), captions: ["x"] }),
  ),
  share,
});

it("splits images into disjoint sets that the seed determines", () => {
  const sizes = fc.record({ a: fc.integer({ min: 1, max: 30 }), b: fc.integer({ min: 1, max: 30 }), seed: fc.nat() });
  fc.assert(
    fc.property(sizes, fc.nat(40), ({ a, b, seed }, count) => {
      const pools = [pool("a", a, 0.3), pool("b", b, 0.7)];
      const ids = (items: readonly CaptionedImage[]) => items.map(({ id }) => id);
      let split: ReturnType<typeof holdOut>;
      try {
        split = holdOut(pools, count, seed);
      } catch (error) {
        assert.ok(error instanceof InputError && count > 0);
        return;
      }
      assert.equal(split.heldOut.length, count);
      assert.deepEqual(
        split.pools.map(({ share }) => share),
        [0.3, 0.7],
      );
      assert.ok(split.pools.every(({ items }) => items.length > 0));
      const all = [...ids(split.heldOut), ...split.pools.flatMap(({ items }) => ids(items))];
      assert.deepEqual(all.toSorted(), pools.flatMap(({ items }) => ids(items)).toSorted());
      const again = holdOut([pool("a", a, 0.3), pool("b", b, 0.7)], count, seed);
      assert.deepEqual(ids(again.heldOut), ids(split.heldOut));
    }),
  );
  assert.throws(() => holdOut([pool("a", 3, 1)], 3, 0), /`holdOut` 3 leaves none of 3 images/);
});
