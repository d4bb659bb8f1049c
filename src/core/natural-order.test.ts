import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { naturalOrder } from "./natural-order.js";

it("sorts numbers by value and other text by code unit", () => {
  const sorted = ["a/2.png", "a/10.png", "a2/1.png", "0.png", "1.png", "01.png", "2.png", "10.png", "x1y2", "x1y10"];
  const expected = ["0.png", "01.png", "1.png", "2.png", "10.png", "a/2.png", "a/10.png", "a2/1.png", "x1y2", "x1y10"];
  assert.deepEqual(sorted.toSorted(naturalOrder), expected);
  assert.deepEqual(["9".repeat(30), `1${"0".repeat(30)}`].toSorted(naturalOrder)[0], "9".repeat(30));
});

it("is a total order", () => {
  const name = fc.stringMatching(/^[a01./]{0,6}$/);
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      assert.equal(Math.sign(naturalOrder(a, b)) + Math.sign(naturalOrder(b, a)), 0);
      assert.equal(naturalOrder(a, b) === 0, a === b);
      if (naturalOrder(a, b) <= 0 && naturalOrder(b, c) <= 0) assert.ok(naturalOrder(a, c) <= 0);
    }),
  );
});
