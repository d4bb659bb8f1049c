/**
 * @file How sure a mean is: intervals, standard errors and an exact test for paired results.
 *
 * Scores come in groups, one group a prompt: images of one prompt resemble each other, so that four seeds of a prompt tell less than
 * four prompts. With one score a group everything here is the textbook's formula. All intervals are of 95%.
 */

import type { Generator } from "../core/random.js";

/** Scores of each prompt; every group holds at least one. */
export type Groups = readonly (readonly number[])[];

export interface Interval {
  low: number;
  high: number;
}

/** A mean; what cannot be told from the scores is null, never 0. */
export interface Estimate {
  value: number;
  standardError: number | null;
  interval: Interval | null;
}

/** The normal distribution's 97.5% point. */
const z = 1.959963984540054;

/** Bootstrap resamples; the ends of an interval then move by about a hundredth of its width from seed to seed. */
export const defaultResamples = 4000;

/** Items of each prompt, in the order in which prompts first occur. */
export function byPrompt<T extends { readonly prompt: string }>(items: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.prompt);
    if (group === undefined) groups.set(item.prompt, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/** The mean of all scores; NaN of none. */
export function mean(groups: Groups): number {
  const { total, count } = totals(groups);
  return total / count;
}

/**
 * The mean's standard error, groups being independent: the ratio estimator of cluster samples (Cochran, Sampling Techniques, 1977,
 * equation 6.13), which is s / sqrt(n) where each group holds one score. Null below two groups.
 */
export function standardError(groups: Groups): number | null {
  if (groups.length < 2) return null;
  return Math.sqrt((groups.length / (groups.length - 1)) * betweenGroups(groups));
}

/** Wilson's score interval of a proportion (1927): holds at 0 and 1 too. `trials` may be fractional, an effective number. */
export function wilson(successes: number, trials: number): Interval | null {
  if (!(trials > 0)) return null;
  const p = successes / trials;
  const spread = z ** 2 / trials;
  const centre = (p + spread / 2) / (1 + spread);
  const half = (z * Math.sqrt((p * (1 - p)) / trials + spread / (4 * trials))) / (1 + spread);
  // At the ends the formula gives 0 and 1 up to rounding.
  return { low: p === 0 ? 0 : Math.max(0, centre - half), high: p === 1 ? 1 : Math.min(1, centre + half) };
}

/**
 * The share of ones among zeros and ones, with Wilson's interval. Where groups hold several scores, the interval is that of fewer trials: as
 * many independent ones as would vary as much as the groups do (Korn and Graubard, 1998), or one a group where all scores are equal.
 */
export function proportion(groups: Groups): Estimate {
  const { total, count } = totals(groups);
  const p = total / count;
  let trials = count;
  if (groups.length < count) {
    const varied = p * (1 - p);
    trials = varied === 0 ? groups.length : Math.min(count, varied / betweenGroups(groups));
    // A few groups that happen to agree can make it seem that nothing varies.
    if (groups.length < 2) trials = groups.length;
  }
  return { value: p, standardError: standardError(groups), interval: wilson(p * trials, trials) };
}

/**
 * The mean with the percentile bootstrap interval (Efron, 1979) over groups drawn with replacement, the percentiles expanded for small samples
 * (Hesterberg, arXiv 1411.5279). The interval is null where resampling cannot tell anything: below two groups, or where all groups are equal.
 */
export function bootstrapMean(groups: Groups, random: Generator, resamples = defaultResamples): Estimate {
  const value = mean(groups);
  if (groups.length < 2) return { value, standardError: null, interval: null };
  const sums = Float64Array.from(groups, (scores) => sum(scores));
  const sizes = Float64Array.from(groups, (scores) => scores.length);
  const means = new Float64Array(resamples);
  for (let round = 0; round < resamples; round++) {
    let total = 0;
    let count = 0;
    for (let draw = 0; draw < sums.length; draw++) {
      const group = random.integer(sums.length);
      total += sums[group];
      count += sizes[group];
    }
    means[round] = total / count;
  }
  means.sort();
  const tail = expandedTail(groups.length);
  const interval = { low: quantile(means, tail), high: quantile(means, 1 - tail) };
  // Equal means differ by rounding where groups are of different sizes.
  const varies = interval.high - interval.low > 1e-12 * Math.abs(value);
  return { value, standardError: standardError(groups), interval: varies ? interval : null };
}

/**
 * The share of resamples to leave out at each end: 2.5% for many groups, less for few, since resampling knows neither that a sample varies less than
 * what it is drawn from, nor Student's correction. It is Phi(-sqrt(n / (n - 1)) t), t being the 97.5% point of Student's distribution for n - 1.
 */
function expandedTail(n: number): number {
  const v = n - 1;
  // Abramowitz and Stegun 26.7.5, rough below three groups, where the extremes are taken in any case.
  const t =
    z +
    (z ** 3 + z) / (4 * v) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * v ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * v ** 3);
  return normalTail(t * Math.sqrt(n / v));
}

/** P(Z > x) for x >= 0, within 1e-7 (Abramowitz and Stegun 26.2.17). */
function normalTail(x: number): number {
  const k = 1 / (1 + 0.2316419 * x);
  const series = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))));
  return (Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

/** How often the second of two paired scores is the better one. */
export interface WinCounts {
  wins: number;
  ties: number;
  losses: number;
}

export function countWins(
  pairs: readonly (readonly [baseline: number, variant: number])[],
  better: "higher" | "lower",
): WinCounts {
  const sign = better === "higher" ? 1 : -1;
  const counts = { wins: 0, ties: 0, losses: 0 };
  for (const [baseline, variant] of pairs) {
    const gain = sign * (variant - baseline);
    counts[gain > 0 ? "wins" : gain < 0 ? "losses" : "ties"]++;
  }
  return counts;
}

/** Wins among the pairs that differ, with Wilson's interval; null where none differs. */
export function winRate({ wins, losses }: WinCounts): Estimate | null {
  const decided = wins + losses;
  if (decided === 0) return null;
  const value = wins / decided;
  return {
    value,
    standardError: decided < 2 ? null : Math.sqrt((value * (1 - value)) / (decided - 1)),
    interval: wilson(wins, decided),
  };
}

/**
 * Two-sided p-value of the exact sign test: how often a fair coin would divide the pairs that differ at least as unevenly. For verdicts this is
 * McNemar's exact test. 1 where no pair differs. Pairs count as independent.
 */
export function signTest({ wins, losses }: WinCounts): number {
  const decided = wins + losses;
  let logTerm = -decided * Math.LN2;
  let tail = 0;
  for (let i = 0; i <= Math.min(wins, losses); i++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((decided - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}

/** Variance of the mean as the groups show it, without the correction for their number. */
function betweenGroups(groups: Groups): number {
  const { total, count } = totals(groups);
  const deviations = groups.map((scores) => (sum(scores) - (total / count) * scores.length) ** 2);
  return sum(deviations) / count ** 2;
}

function totals(groups: Groups): { total: number; count: number } {
  return { total: sum(groups.map(sum)), count: sum(groups.map((scores) => scores.length)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Linear between the two nearest of the sorted values. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below];
  return low + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - low);
}
