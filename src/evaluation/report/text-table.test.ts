import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { displayWidth } from "../../core/text.js";
import { comparePaired, type Metric } from "../paired-comparison.js";
import { comparisonLines } from "./text-table.js";

const accuracy: Metric = { name: "accuracy", kind: "verdict", better: "higher" };

function scores(name: string, categories: readonly string[], score: (i: number) => number) {
  const items = categories.flatMap((category) =>
    Array.from({ length: 32 }, (_, i) => ({ prompt: `${category} ${i}`, seed: 0, category, score: score(i) })),
  );
  return { name, items };
}

describe("the table for the terminal", () => {
  it("aligns numbers and keeps to one line a row", () => {
    const categories = ["single", "counting"];
    const variants = [
      scores("base", categories, (i) => (i < 16 ? 1 : 0)),
      scores("tuned", categories, (i) => (i % 4 === 3 ? 0 : 1)),
    ];
    const lines = comparisonLines(comparePaired(variants, { metric: accuracy, apart: ["counting"] }));
    assert.deepEqual(
      lines.map((line) => line.replace(/ *\+25\.0 \[[^\]]*\] */, " +25.0 [] ")),
      [
        "accuracy: tuned against base",
        "                       pairs   base  tuned  difference (points)    +/=/-  finding",
        "single                    32  50.0%  75.0% +25.0 [] 12/16/4  within noise",
        "counting (apart)          32  50.0%  75.0% +25.0 [] 12/16/4  within noise",
        "mean over all             64  50.0%  75.0% +25.0 [] 24/32/8  better",
        "mean without counting     32  50.0%  75.0% +25.0 [] 12/16/4  within noise",
        "[ ] are 95% intervals; +/=/- counts pairs: better, same, worse",
        "mean over all: better in 24 of 32 that differ (75.0%, 57.9 to 86.7, p = 0.0070)",
        "mean without counting: better in 12 of 16 that differ (75.0%, 50.5 to 89.8, p = 0.077)",
      ],
    );
    const [, header, ...rows] = lines.slice(0, 6);
    for (const row of rows) {
      const at = header?.indexOf("finding") ?? -1;
      assert.match(row.slice(at - 2), /^ {2}(better|within noise)$/);
    }
  });

  it("marks small sets and says where nothing differs", () => {
    const few = [scores("base", ["two"], () => 1), scores("tuned", ["two"], () => 1)].map(({ name, items }) => ({
      name,
      items: items.slice(0, 3),
    }));
    const lines = comparisonLines(comparePaired(few, { metric: accuracy }));
    assert.match(lines.join("\n"), /0\.0 \[no interval\] {2}0\/3\/0 {2}within noise\*\n/);
    assert.deepEqual(lines.slice(-2), ["mean over all: no pair differs", "* fewer than 30 prompts"]);
  });

  it("gives each variant a table of its own, and says which way a metric goes", () => {
    const metric: Metric = { name: "LPIPS", kind: "number", better: "lower" };
    const variants = ["base", "tuned", "prefix"].map((name, at) => scores(name, ["all"], (i) => 0.2 + at * i * 0.001));
    const lines = comparisonLines(comparePaired(variants, { metric, resamples: 100 }));
    assert.deepEqual(
      lines.filter((line) => line.includes("against") || line === ""),
      ["LPIPS: tuned against base (lower is better)", "", "LPIPS: prefix against base (lower is better)"],
    );
    assert.match(lines.join("\n"), /0\.2000 {2}0\.2155 {2}\+0\.0155 \[.*0\/1\/31 {2}worse/);
  });

  it("is at most 100 columns wide, whatever the names", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(name, name, name, fc.constantFrom(1, 1e5), (category, variant, metricName, factor) => {
        const variants = [
          scores("base", [category, "b"], (i) => factor * Math.sin(i)),
          scores(`${variant}!`, [category, "b"], (i) => factor * Math.cos(i)),
        ];
        const metric: Metric = { name: metricName, kind: "number", better: "higher" };
        fc.pre(category !== "b" && variant !== "base");
        for (const line of comparisonLines(comparePaired(variants, { metric, apart: [category], resamples: 20 }))) {
          assert.ok(displayWidth(line) <= 100, line);
          assert.doesNotMatch(line, /\p{Cc}/u);
        }
      }),
      { numRuns: 60 },
    );
  });
});
