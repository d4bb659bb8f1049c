import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { comparePaired, type Metric } from "../paired-comparison.js";
import { headlineOf } from "./headline.js";

const accuracy: Metric = { name: "accuracy", kind: "verdict", better: "higher" };

function headline(metric: Metric, before: readonly number[], after: readonly number[]): string {
  const variant = (name: string, scores: readonly number[]) => ({
    name,
    items: scores.map((score, i) => ({ prompt: `prompt ${i}`, seed: i, category: "two", score })),
  });
  return headlineOf(comparePaired([variant("base", before), variant("tuned", after)], { metric }));
}

const ones = (count: number, of: number): number[] => Array.from({ length: of }, (_, i) => (i < count ? 1 : 0));

describe("the headline", () => {
  it("says better, worse or within noise, with the figure and its interval", () => {
    const interval = "\\(95% interval [-+][\\d.]+ to [-+][\\d.]+; 100 pairs of the same prompt and seed\\)\\.$";
    assert.match(
      headline(accuracy, ones(50, 100), ones(70, 100)),
      new RegExp(
        `^With tuned, accuracy is better than with base: 70\\.0% against 50\\.0%, \\+20\\.0 points ${interval}`,
      ),
    );
    assert.match(
      headline(accuracy, ones(70, 100), ones(50, 100)),
      new RegExp(`^With tuned, accuracy is worse than with base: 50\\.0% against 70\\.0%, -20\\.0 points ${interval}`),
    );
    assert.match(
      headline(accuracy, ones(50, 100), ones(50, 100).reverse()),
      new RegExp(`^With tuned, accuracy does not differ from base beyond noise: .*, 0\\.0 points ${interval}`),
    );
  });

  it("says what limits it", () => {
    assert.equal(
      headline(accuracy, [1, 1, 0], [1, 1, 0]),
      "With tuned, accuracy does not differ from base beyond noise: 66.7% against 66.7%, 0.0 points (no interval; 3 pairs of the same prompt and seed); the same in every prompt; small set of 3 prompts.",
    );
  });

  it("calls a lower distance better, and has no unit for it", () => {
    const before = Array.from({ length: 40 }, (_, i) => 0.5 + 0.001 * i);
    const after = before.map((score, i) => score - 0.1 - 0.001 * (i % 3));
    assert.match(
      headline({ name: "LPIPS", kind: "number", better: "lower" }, before, after),
      /^With tuned, LPIPS is better than with base: 0\.4185 against 0\.5195, -0\.1010 \(95% interval -0\.\d{4} to -0\.\d{4}; 40 pairs/,
    );
  });
});
