/** @file Scores, differences and intervals as a reader wants them: verdicts in percent and points, other metrics with common decimals. */

import type { Metric, PairedComparison } from "../paired-comparison.js";
import type { Interval } from "../statistics.js";

/** Writes the numbers of one table alike. Minus signs are hyphens; `typeset` writes true minus signs on the page. */
export interface ScoreFormat {
  /** "62.0%", "0.3121". */
  readonly value: (value: number) => string;
  /** "+11.7", "-0.0021", "0.0": without a unit, since it stands in the header. */
  readonly signed: (value: number) => string;
  /** "58.1 to 65.8". */
  readonly range: (interval: Interval) => string;
  /** "+7.1 to +16.2". */
  readonly signedRange: (interval: Interval) => string;
  /** What a difference is counted in: "points", or nothing. */
  readonly unit: "points" | "";
}

/** `largest` is the largest mean by size: it decides how many decimals a metric that is no verdict gets, so that four digits show. */
export function scoreFormat(kind: Metric["kind"], largest: number): ScoreFormat {
  const percent = kind === "verdict";
  const write = numberWriter(largest);
  const plain = percent ? (value: number) => fixed(value * 100, 1) : write;
  const signed = (value: number) => {
    const text = plain(value);
    return Number(text) > 0 ? `+${text}` : text;
  };
  return {
    value: (value) => (percent ? `${plain(value)}%` : plain(value)),
    signed,
    range: ({ low, high }) => `${plain(low)} to ${plain(high)}`,
    signedRange: ({ low, high }) => `${signed(low)} to ${signed(high)}`,
    unit: percent ? "points" : "",
  };
}

export function comparisonFormat({ metric, rows }: PairedComparison): ScoreFormat {
  const sizes = rows.flatMap(({ means }) => means.map(({ value }) => Math.abs(value)));
  return scoreFormat(metric.kind, Math.max(...sizes));
}

/** Writes numbers with common decimals, so many that one of size `largest` shows four digits; very small ones by powers of ten, not as 0. */
export function numberWriter(largest: number): (value: number) => string {
  if (!(largest > 0)) return (value) => fixed(value, 1);
  if (largest < 1e-5) return (value) => value.toExponential(3);
  const decimals = Math.max(0, 3 - Math.floor(Math.log10(largest)));
  return (value) => fixed(value, decimals);
}

/** "p = 0.034", "p < 0.001". */
export function formatP(p: number): string {
  return p < 0.001 ? "p < 0.001" : `p = ${p < 0.1 ? p.toPrecision(2) : p.toFixed(2)}`;
}

/** Numbers for the page: a true minus sign is as wide as a plus sign. */
export function typeset(numbers: string): string {
  return numbers.replaceAll("-", "\u2212");
}

/** "1 pair", "12 pairs". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** toFixed without "-0.0". */
function fixed(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text;
}
