import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { comparePaired, comparisonSchema, type ItemScore, type Metric, overallRow } from "./paired-comparison.js";
import { wilson } from "./statistics.js";

const accuracy: Metric = { name: "accuracy", kind: "verdict", better: "higher" };
const clip: Metric = { name: "CLIPScore", kind: "number", better: "higher" };
const distance: Metric = { name: "LPIPS", kind: "number", better: "lower" };

/** One item a score, each of its own prompt unless `seeds` of each are asked for. */
function items(category: string, scores: readonly number[], seeds = 1): ItemScore[] {
  return scores.map((score, i) => ({ prompt: `${category} ${Math.floor(i / seeds)}`, seed: i, category, score }));
}

function variant(name: string, ...lists: readonly ItemScore[][]) {
  return { name, items: lists.flat() };
}

const repeat = (score: number, count: number): number[] => Array.from({ length: count }, () => score);

describe("paired comparison", () => {
  const base = variant("base", items("colours", [1, 0, 0, 1]), items("counting", [1, 1, 0]));
  const tuned = variant("tuned", items("colours", [1, 1, 1, 1]), items("counting", [0, 0, 0]));
  const comparison = comparePaired([base, tuned], { metric: accuracy, apart: ["counting"], resamples: 500 });

  it("has a row a category, one over all, and one without what stands apart", () => {
    assert.deepEqual(
      comparison.rows.map(({ label, scope, pairs }) => [label, scope, pairs]),
      [
        ["colours", "category", 4],
        ["counting", "apart", 3],
        ["mean over all", "all", 7],
        ["mean without counting", "without apart", 4],
      ],
    );
  });

  it("gives each variant's mean, the difference, and who wins", () => {
    const [colours, counting, all, without] = comparison.rows;
    assert.deepEqual(colours?.means[0].interval, wilson(2, 4));
    assert.deepEqual(
      comparison.rows.map(({ means }) => means.map(({ value }) => value)),
      [
        [0.5, 1],
        [2 / 3, 0],
        [4 / 7, 4 / 7],
        [0.5, 1],
      ],
    );
    const numbers = ({ wins, ties, losses }: { wins: number; ties: number; losses: number }) => [wins, ties, losses];
    assert.deepEqual(
      comparison.rows.map(({ contrasts }) => numbers(contrasts[0])),
      [
        [2, 2, 0],
        [0, 1, 2],
        [2, 3, 2],
        [2, 2, 0],
      ],
    );
    assert.equal(counting?.contrasts[0].winRate?.value, 0);
    assert.equal(all?.contrasts[0].difference.value, 0);
    assert.equal(all?.contrasts[0].signTest, 1);
    assert.deepEqual(without?.contrasts, colours?.contrasts);
  });

  it("is JSON that its schema takes back", () => {
    assert.deepEqual(comparisonSchema.parse(JSON.parse(JSON.stringify(comparison))), comparison);
    assert.equal(comparisonSchema.safeParse({ ...comparison, variants: ["base", "tuned", "third"] }).success, false);
    const rows = comparison.rows.filter(({ scope }) => scope !== "all");
    assert.equal(comparisonSchema.safeParse({ ...comparison, rows }).success, false);
  });

  it("pairs by prompt and seed, in whatever order", () => {
    const shuffled = { name: "tuned", items: new Generator(1).shuffle(tuned.items) };
    assert.deepEqual(
      comparePaired([base, shuffled], { metric: accuracy, apart: ["counting"], resamples: 500 }),
      comparison,
    );
  });

  it("compares several variants with the first, each as if alone", () => {
    const prefix = variant("prefix", items("colours", [0, 0, 1, 1]), items("counting", [1, 1, 1]));
    const three = comparePaired([base, tuned, prefix], { metric: accuracy, resamples: 500 });
    const two = comparePaired([base, prefix], { metric: accuracy, resamples: 500 });
    assert.deepEqual(three.variants, ["base", "tuned", "prefix"]);
    for (const [i, row] of three.rows.entries()) {
      assert.deepEqual(row.contrasts[1], two.rows[i]?.contrasts[0]);
      assert.deepEqual(row.means[2], two.rows[i]?.means[1]);
    }
  });

  it("leaves out the second mean where nothing stands apart, or all does", () => {
    for (const apart of [[], ["size"], ["colours", "counting"]]) {
      const { rows } = comparePaired([base, tuned], { metric: accuracy, apart, resamples: 10 });
      assert.equal(rows.filter(({ scope }) => scope === "without apart").length, 0);
    }
  });
});

describe("a finding", () => {
  const find = (metric: Metric, before: readonly number[], after: readonly number[], seeds = 1) => {
    const variants = [variant("base", items("two", before, seeds)), variant("tuned", items("two", after, seeds))];
    const row = overallRow(comparePaired(variants, { metric, resamples: 1000 }));
    return { ...row.contrasts[0], small: row.small };
  };
  const mixed = [...repeat(1, 50), ...repeat(0, 50)];

  it("is better or worse where interval and exact test say so", () => {
    const after = [...repeat(1, 70), ...repeat(0, 30)];
    assert.deepEqual([find(accuracy, mixed, after).finding, find(accuracy, mixed, after).remark], ["better", ""]);
    assert.equal(find(accuracy, after, mixed).finding, "worse");
  });

  it("follows the metric's direction, the difference being variant minus baseline", () => {
    const random = new Generator(3);
    const before = Array.from({ length: 60 }, () => random.uniform());
    const after = before.map((score) => score + 0.2 + 0.1 * random.uniform());
    assert.equal(find(clip, before, after).finding, "better");
    const worse = find(distance, before, after);
    assert.equal(worse.finding, "worse");
    assert.deepEqual([worse.wins, worse.losses], [0, 60]);
    assert.ok(worse.difference.value > 0.2);
  });

  it("is within noise where the interval holds 0", () => {
    const after = [...repeat(1, 45), ...repeat(0, 5), ...repeat(1, 8), ...repeat(0, 42)];
    const { finding, difference } = find(accuracy, mixed, after);
    assert.equal(finding, "within noise");
    assert.ok(difference.interval && difference.interval.low < 0 && difference.interval.high > 0);
  });

  it("is within noise where too few pairs differ for the exact test, though the bootstrap is sure", () => {
    // Four of 60 gained, none lost: resamples without a gain are rarer than 2.5%, the sign test says 0.125.
    const { finding, difference, signTest, remark } = find(accuracy, repeat(0, 60), [
      ...repeat(1, 4),
      ...repeat(0, 56),
    ]);
    assert.ok(difference.interval && difference.interval.low > 0);
    assert.equal(signTest, 0.125);
    assert.equal(finding, "within noise");
    assert.match(remark, /sign test does not agree, p = 0\.13/);
    // So it is for a metric of a small set.
    const metric = find(clip, repeat(0.3, 3), [0.31, 0.32, 0.33]);
    assert.equal(metric.finding, "within noise");
    assert.match(metric.remark, /sign test.*small set of 3 prompts/);
  });

  it("has no interval where all pairs differ alike, and then rests on the exact test", () => {
    const same = find(accuracy, repeat(1, 40), repeat(1, 40));
    assert.deepEqual([same.difference.interval, same.winRate, same.finding], [null, null, "within noise"]);
    assert.match(same.remark, /same in every prompt/);
    const all = find(accuracy, repeat(0, 40), repeat(1, 40));
    assert.deepEqual([all.difference.interval, all.finding], [null, "better"]);
    assert.equal(find(accuracy, repeat(0, 5), repeat(1, 5)).finding, "within noise");
  });

  it("counts prompts, not images: many seeds of few prompts are a small set", () => {
    const { small, remark } = find(accuracy, repeat(0, 80), repeat(1, 80), 8);
    assert.equal(small, true);
    assert.match(remark, /small set of 10 prompts/);
    assert.equal(find(accuracy, mixed, mixed).small, false);
    // Ten seeds of one prompt.
    const one = find(accuracy, repeat(0, 10), repeat(1, 10), 10);
    assert.equal(one.finding, "within noise");
    assert.match(one.remark, /one prompt tells nothing of others/);
  });

  it("is rarely anything but noise where there is only noise", () => {
    const random = new Generator(5);
    const rounds = 300;
    let wrong = 0;
    for (let round = 0; round < rounds; round++) {
      const draw = () => Array.from({ length: 60 }, () => (random.uniform() < 0.6 ? 1 : 0));
      const variants = [variant("base", items("two", draw())), variant("tuned", items("two", draw()))];
      const comparison = comparePaired(variants, { metric: accuracy, resamples: 300, seed: round });
      if (overallRow(comparison).contrasts[0].finding !== "within noise") wrong++;
    }
    assert.ok(wrong / rounds < 0.07, `${wrong} of ${rounds}`);
    assert.ok(wrong > 0, "a test at 5% errs now and then");
  });
});

describe("scores that do not match", () => {
  const base = variant("base", items("two", [1, 0]));
  const cases: readonly [string, Parameters<typeof comparePaired>[0], RegExp][] = [
    ["one variant", [base], /at least two variants/],
    ["equal names", [base, base], /two variants are called "base"/],
    ["nothing", [variant("base"), variant("tuned")], /base has no scores/],
    ["a missing score", [base, variant("tuned", items("two", [1]))], /base has .*"two 1" with seed 1, tuned has none/],
    [
      "a score too many",
      [base, variant("tuned", items("two", [1, 1, 1]))],
      /tuned has .*"two 2" with seed 2, base has none/,
    ],
    ["a pair twice", [base, variant("tuned", items("two", [1, 1]), items("two", [1]))], /tuned has two scores of/],
    ["no verdict", [base, variant("tuned", items("two", [1, 0.5]))], /verdict 0.5 .* verdicts are 0 or 1/],
    ["no number", [base, variant("tuned", items("two", [1, Number.NaN]))], /score NaN/],
    [
      "another category",
      [
        base,
        {
          name: "tuned",
          items: [
            { prompt: "two 0", seed: 0, category: "three", score: 1 },
            { prompt: "two 1", seed: 1, category: "two", score: 1 },
          ],
        },
      ],
      /of category "two" and "three" in base and tuned/,
    ],
  ];
  for (const [what, variants, message] of cases) {
    it(`are refused: ${what}`, () => {
      assert.throws(
        () => comparePaired(variants, { metric: accuracy, resamples: 10 }),
        (error: unknown) => error instanceof InputError && message.test(error.message) && !error.message.includes("\n"),
      );
    });
  }
});
