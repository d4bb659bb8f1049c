import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { rankItems } from "./gallery-order.js";
import type { GalleryItem } from "./schema.js";

const item = (prompt: string, scores: readonly (number | null)[]): GalleryItem => ({
  prompt,
  category: "two",
  seed: 1,
  images: scores.map((score) => ({ score, reason: "", png: "" })),
});
const accuracy = { name: "accuracy", kind: "verdict", better: "higher" } as const;
const clip = { name: "CLIPScore", kind: "number", better: "higher" } as const;
const distance = { name: "LPIPS", kind: "number", better: "lower" } as const;

describe("the gallery's order", () => {
  it("is gains, losses, then all others as they came", () => {
    const items = [
      item("a", [1, 1]),
      item("b", [1, 0]),
      item("c", [0, 0]),
      item("d", [0, 1]),
      item("e", [null, 1]),
      item("f", [0, 1]),
    ];
    assert.deepEqual(
      rankItems({ items, metric: accuracy }).map(({ item: { prompt }, outcome }) => [prompt, outcome]),
      [
        ["d", "gained"],
        ["f", "gained"],
        ["b", "lost"],
        ["a", "right in both"],
        ["c", "wrong in both"],
        ["e", "not scored"],
      ],
    );
  });

  it("has the largest gain and the largest loss first, in the metric's direction", () => {
    const items = [item("a", [1, 4]), item("b", [3, 1]), item("c", [2, 2]), item("d", [1, 9]), item("e", [9, 1])];
    const order = (metric: typeof clip | typeof distance) =>
      rankItems({ items, metric }).map(({ item: { prompt }, outcome }) => `${prompt} ${outcome}`);
    assert.deepEqual(order(clip), ["d better", "a better", "e worse", "b worse", "c equal"]);
    assert.deepEqual(order(distance), ["e better", "b better", "d worse", "a worse", "c equal"]);
  });

  it("leaves nothing out", () => {
    const score = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }));
    fc.assert(
      fc.property(fc.array(fc.array(score, { minLength: 1, maxLength: 3 })), (lists) => {
        const items = lists.map((scores, i) => item(String(i), scores));
        const ranked = rankItems({ items, metric: clip });
        assert.deepEqual(new Set(ranked.map((one) => one.item)), new Set(items));
        assert.equal(ranked.length, items.length);
        const rank = ({ gain }: { gain: number }) => (gain > 0 ? 0 : gain < 0 ? 1 : 2);
        for (const [i, one] of ranked.slice(1).entries()) {
          const before = ranked[i];
          assert.ok(rank(before) <= rank(one));
          if (rank(before) === rank(one)) assert.ok(Math.abs(before.gain) >= Math.abs(one.gain));
        }
      }),
    );
  });
});
