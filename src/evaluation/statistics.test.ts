import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Generator } from "../core/random.js";
import {
  bootstrapMean,
  byPrompt,
  countWins,
  type Groups,
  type Interval,
  mean,
  proportion,
  signTest,
  standardError,
  wilson,
  winRate,
} from "./statistics.js";

const near = (actual: number | undefined | null, expected: number, allowed: number, what = ""): void =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) <= allowed, `${what} ${actual}, expected ${expected}`);
const holds = ({ low, high }: Interval, value: number): boolean => low <= value && value <= high;
const singles = (values: readonly number[]): Groups => values.map((value) => [value]);
const verdict = fc.constantFrom(0, 1);
const score = fc.double({ min: -100, max: 100, noNaN: true });
const groupsOf = (value: fc.Arbitrary<number>) =>
  fc.array(fc.array(value, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 });

/** Probability of `k` successes. */
function binomial(n: number, k: number, p: number): number {
  let logChoose = 0;
  for (let i = 0; i < k; i++) logChoose += Math.log((n - i) / (i + 1));
  return Math.exp(logChoose + k * Math.log(p) + (n - k) * Math.log1p(-p));
}

describe("Wilson's interval", () => {
  it("is that of Newcombe's table (Statistics in Medicine 17, 1998, table I, method 3)", () => {
    const published = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const;
    for (const [successes, trials, low, high] of published) {
      const interval = wilson(successes, trials);
      near(interval?.low, low, 5e-5, `${successes} of ${trials}`);
      near(interval?.high, high, 5e-5, `${successes} of ${trials}`);
    }
  });

  it("has ends whose score statistic is 1.96: the equation it solves", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(500), (trials, drawn) => {
        const successes = drawn % (trials + 1);
        const interval = wilson(successes, trials);
        assert.ok(interval);
        for (const end of [interval.low, interval.high]) {
          if (end === 0 || end === 1) continue;
          const statistic = (successes / trials - end) ** 2 / ((end * (1 - end)) / trials);
          near(statistic, 1.959963984540054 ** 2, 1e-6);
        }
        assert.ok(holds(interval, successes / trials) && interval.low >= 0 && interval.high <= 1);
      }),
    );
  });

  it("covers 95% of samples, on average over all proportions", () => {
    for (const trials of [10, 40, 120]) {
      let covered = 0;
      const grid = 400;
      for (let i = 0; i < grid; i++) {
        const p = (i + 0.5) / grid;
        for (let k = 0; k <= trials; k++) {
          const interval = wilson(k, trials);
          if (interval && holds(interval, p)) covered += binomial(trials, k, p) / grid;
        }
      }
      near(covered, 0.952, 0.006, `${trials} trials`);
    }
  });

  it("is unknown of no trials", () => assert.equal(wilson(0, 0), null));
});

describe("means", () => {
  it("have the textbook's standard error where each group holds one score", () => {
    near(mean(singles([2, 4, 9])), 5, 1e-12);
    // Variance (9 + 1 + 16) / 2 = 13.
    near(standardError(singles([2, 4, 9])), Math.sqrt(13 / 3), 1e-12);
    assert.equal(standardError([[1, 2, 3]]), null);
  });

  it("are as sure as groups, not scores, are many", () => {
    const few = [[0], [1], [1], [0], [1]];
    const repeated = few.map(([score]) => [score, score, score, score]);
    near(standardError(repeated), standardError(few) ?? Number.NaN, 1e-12);
    const [grouped, single] = [proportion(repeated).interval, proportion(few).interval];
    near(grouped?.low, single?.low ?? Number.NaN, 1e-12);
    near(grouped?.high, single?.high ?? Number.NaN, 1e-12);
    assert.deepEqual(bootstrapMean(repeated, new Generator(1)), bootstrapMean(few, new Generator(1)));
  });

  it("of verdicts have Wilson's interval; equal verdicts count once a group", () => {
    assert.deepEqual(proportion(singles([1, 0, 1, 1])).interval, wilson(3, 4));
    assert.deepEqual(proportion([[1, 1], [1], [1, 1, 1]]).interval, wilson(3, 3));
    assert.deepEqual(proportion([[1, 0]]).interval, wilson(0.5, 1));
  });

  it("lie inside their interval, for any verdicts in any groups", () => {
    fc.assert(
      fc.property(groupsOf(verdict), (groups) => {
        const { value, interval } = proportion(groups);
        const flat = groups.flat();
        const single = proportion(singles(flat)).interval;
        assert.ok(interval && single && holds(interval, value));
        near(value, flat.filter((score) => score === 1).length / flat.length, 1e-12);
        // Grouping never makes surer than as many independent scores would.
        assert.ok(interval.high - interval.low >= single.high - single.low - 1e-12);
      }),
    );
  });
});

describe("the bootstrap", () => {
  it("repeats itself by seed and stays among the groups' means", () => {
    fc.assert(
      fc.property(groupsOf(score), fc.nat(1000), (groups, seed) => {
        const estimate = bootstrapMean(groups, new Generator(seed), 200);
        assert.deepEqual(bootstrapMean(groups, new Generator(seed), 200), estimate);
        if (estimate.interval === null) return;
        const means = groups.map((group) => mean([group]));
        assert.ok(estimate.interval.low <= estimate.interval.high);
        assert.ok(estimate.interval.low >= Math.min(...means) - 1e-9);
        assert.ok(estimate.interval.high <= Math.max(...means) + 1e-9);
      }),
    );
  });

  it("says nothing where nothing varies", () => {
    for (const groups of [[[3]], [[1, 5]], [[0], [0], [0]], [[0.1], [0.1, 0.1], [0.1, 0.1, 0.1]]]) {
      assert.equal(bootstrapMean(groups, new Generator(2)).interval, null);
    }
  });

  it("covers 95% of samples of a mean, small ones too", () => {
    const random = new Generator(3);
    for (const size of [8, 20]) {
      let covered = 0;
      const trials = 1000;
      for (let trial = 0; trial < trials; trial++) {
        const sample = singles([...random.normal([size]).data]);
        const { interval } = bootstrapMean(sample, random, 1000);
        if (interval && holds(interval, 0)) covered++;
      }
      // Plain percentiles give 0.89 and 0.926. The simulation's own standard error is 0.007.
      near(covered / trials, 0.95, 0.02, `${size} normal scores`);
    }
  });

  it("covers 95% of samples of a paired difference of verdicts, with several seeds of one prompt", () => {
    const random = new Generator(4);
    const trials = 400;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const groups = Array.from({ length: 40 }, () => {
        // Of each prompt it is drawn whether tuning helps; then each seed agrees with it by 0.8.
        const helps = random.uniform() < 0.3 ? 1 : 0;
        return Array.from({ length: 4 }, () => (random.uniform() < 0.8 ? helps : 0));
      });
      const { interval } = bootstrapMean(groups, random, 400);
      if (interval && holds(interval, 0.24)) covered++;
    }
    near(covered / trials, 0.95, 0.03);
  });
});

describe("wins", () => {
  it("are counted in the metric's direction", () => {
    const pairs = [
      [0, 1],
      [1, 0],
      [0, 1],
      [1, 1],
    ] as const;
    assert.deepEqual(countWins(pairs, "higher"), { wins: 2, ties: 1, losses: 1 });
    assert.deepEqual(countWins(pairs, "lower"), { wins: 1, ties: 1, losses: 2 });
  });

  it("have a rate among the pairs that differ", () => {
    assert.equal(winRate({ wins: 0, ties: 7, losses: 0 }), null);
    const rate = winRate({ wins: 6, ties: 7, losses: 2 });
    assert.equal(rate?.value, 0.75);
    assert.deepEqual(rate?.interval, wilson(6, 8));
    near(rate?.standardError, standardError(singles([1, 1, 1, 1, 1, 1, 0, 0])) ?? Number.NaN, 1e-12);
  });
});

describe("the sign test", () => {
  it("has the binomial distribution's two-sided p-values", () => {
    const known = [
      [0, 0, 1],
      [1, 0, 1],
      [5, 5, 1],
      [5, 0, 2 / 32],
      [1, 9, 22 / 1024],
      [8, 2, 112 / 1024],
      [15, 5, (2 * 21700) / 2 ** 20],
    ] as const;
    for (const [wins, losses, p] of known) near(signTest({ wins, ties: 3, losses }), p, 1e-12, `${wins}, ${losses}`);
  });

  it("agrees with the sum of all outcomes that are as uneven", () => {
    fc.assert(
      fc.property(fc.nat(150), fc.nat(150), (wins, losses) => {
        const n = wins + losses;
        let p = 0;
        for (let k = 0; k <= n; k++) if (Math.abs(2 * k - n) >= Math.abs(wins - losses)) p += binomial(n, k, 0.5);
        near(signTest({ wins, ties: 0, losses }), Math.min(1, p), 1e-9);
        assert.equal(signTest({ wins: losses, ties: 9, losses: wins }), signTest({ wins, ties: 0, losses }));
      }),
    );
  });

  it("is a number for thousands of pairs", () => {
    // The normal approximation with its continuity correction: 2 * P(Z > (|1600 - 1400| - 1) / sqrt(3000)) = 2.79e-4.
    near(signTest({ wins: 1600, ties: 0, losses: 1400 }), 2.79e-4, 5e-6);
    assert.equal(signTest({ wins: 20000, ties: 0, losses: 0 }), 0);
  });
});

it("items are grouped by prompt in order", () => {
  const items = ["b", "a", "b"].map((prompt, seed) => ({ prompt, seed }));
  assert.deepEqual(
    byPrompt(items).map((group) => group.map(({ seed }) => seed)),
    [[0, 2], [1]],
  );
});
