import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { at } from "../core/lists.js";
import { softRepa } from "./softrepa.js";

const paper = { temperature: 0.07, scale: 4, dweight: 0 };
const error = fc.double({ min: 0, max: 3, noNaN: true });
const settings = fc.record({
  temperature: fc.double({ min: 0.05, max: 2, noNaN: true }),
  scale: fc.double({ min: 0.1, max: 10, noNaN: true }),
  dweight: fc.constantFrom(0, 1, 10),
});
const row = fc
  .array(error, { minLength: 2, maxLength: 9 })
  .chain((errors) => fc.record({ errors: fc.constant(errors), image: fc.nat({ max: errors.length - 1 }) }));

/** The loss as the paper writes it, without protection against overflow. */
function plainLoss(errors: readonly number[], image: number, { temperature, scale, dweight }: typeof paper): number {
  const exponentials = errors.map((e) => Math.exp(scale * Math.exp(-e / temperature)));
  const total = exponentials.reduce((sum, x) => sum + x, 0);
  return -Math.log(at(exponentials, image) / total) + dweight * at(errors, image);
}

describe("softRepa", () => {
  it("is cross-entropy over exp(scale * exp(-error / temperature)), plus dweight times the matched error", () => {
    fc.assert(
      fc.property(row, settings, ({ errors, image }, chosen) => {
        const { loss, logits } = softRepa(chosen).row(errors, image);
        assert.ok(Math.abs(loss - plainLoss(errors, image, chosen)) <= 1e-9 * (1 + Math.abs(loss)));
        assert.deepEqual(
          logits,
          errors.map((e) => chosen.scale * Math.exp(-e / chosen.temperature)),
        );
      }),
    );
  });

  it("returns cotangents that agree with finite differences of the loss", () => {
    fc.assert(
      fc.property(row, settings, ({ errors, image }, chosen) => {
        const objective = softRepa(chosen).row;
        const { cotangents } = objective(errors, image);
        assert.equal(cotangents.length, errors.length);
        const h = 1e-5;
        for (const [column, cotangent] of cotangents.entries()) {
          const moved = (by: number) => objective(errors.with(column, at(errors, column) + by), image).loss;
          const difference = (moved(h) - moved(-h)) / (2 * h);
          // The error of a central difference is h^2/6 times the third derivative, which grows with 1 / temperature^3.
          const curvature = (chosen.scale * (1 + chosen.scale) ** 2) / chosen.temperature ** 3;
          assert.ok(
            Math.abs(cotangent - difference) <= 1e-8 + h * h * curvature,
            `column ${column}: ${cotangent}, finite difference ${difference}`,
          );
        }
      }),
    );
  });

  it("lowers the matched error and raises the others; dweight adds only to the matched one", () => {
    const errors = [0.3, 0.25, 0.4];
    const { cotangents, loss } = softRepa(paper).row(errors, 1);
    const [first = 0, second = 0, third = 0] = cotangents;
    assert.ok(second > 0 && first < 0 && third < 0);
    const weighted = softRepa({ ...paper, dweight: 10 }).row(errors, 1);
    assert.deepEqual(weighted.cotangents, [first, second + 10, third]);
    assert.ok(Math.abs(weighted.loss - loss - 2.5) < 1e-12);
  });

  it("returns known values", () => {
    // Errors 0 and (almost) infinity: logits 4 and 0.
    const { loss, logits = [], cotangents } = softRepa(paper).row([0, 1e3], 0);
    assert.deepEqual(logits, [4, 0]);
    assert.ok(Math.abs(loss - Math.log(1 + Math.exp(-4))) < 1e-15);
    assert.ok(Math.abs(at(cotangents, 0) - (1 / (1 + Math.exp(-4)) - 1) * (-4 / 0.07)) < 1e-12);
    for (const equal of [0, 0.5, 1e3]) {
      const { loss } = softRepa(paper).row([equal, equal, equal, equal], 2);
      assert.ok(Math.abs(loss - Math.log(4)) < 1e-12, `all errors ${equal}`);
    }
  });

  it("stays finite at extreme errors, temperatures and scales", () => {
    const extremes = [0, 1e-300, 1e-9, 1, 1e3, 1e30, Number.MAX_VALUE];
    for (const temperature of [1e-3, 0.07, 1, 1e6]) {
      for (const scale of [4, 1e3]) {
        for (const matched of extremes) {
          for (const other of extremes) {
            const {
              loss,
              logits = [],
              cotangents,
            } = softRepa({ temperature, scale, dweight: 0 }).row([matched, other, 0.5], 0);
            const seen = [loss, ...logits, ...cotangents];
            assert.ok(seen.every(Number.isFinite), `errors ${matched}, ${other}, temperature ${temperature}: ${seen}`);
            assert.ok(loss >= -1e-12);
          }
        }
      }
    }
  });
});
