/**
 * @file Variants compared on the same prompts and seeds: means, paired differences and win rates, by category and over all.
 *
 * Scores are numbers, 0 and 1 for verdicts, so that any metric of single images fits. A category may stand apart: it has its row, and a mean is
 * given without it too, as counting needs.
 */

import { z } from "zod";
import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import {
  bootstrapMean,
  byPrompt,
  countWins,
  defaultResamples,
  type Estimate,
  type Groups,
  proportion,
  signTest,
  winRate,
} from "./statistics.js";

export const metricSchema = z.strictObject({
  /** "accuracy", "CLIPScore". */
  name: z.string().min(1),
  /** Verdicts are 0 or 1 and shown as percentages. */
  kind: z.enum(["verdict", "number"]),
  better: z.enum(["higher", "lower"]),
});
export type Metric = z.infer<typeof metricSchema>;

/** GenEval's question of each image: does it show what the prompt asks for (arXiv 2310.11513)? */
export const accuracy: Metric = { name: "accuracy", kind: "verdict", better: "higher" };

/** Of GenEval's categories, the one that contrastive training is known to harm (arXiv 2605.30038). */
export const countingCategories: readonly string[] = ["counting"];

export const estimateSchema = z.strictObject({
  value: z.number(),
  standardError: z.number().nonnegative().nullable(),
  /** 95%. */
  interval: z.strictObject({ low: z.number(), high: z.number() }).nullable(),
});

const count = z.int().nonnegative();

const contrastSchema = z.strictObject({
  /** Mean of variant minus baseline, pair by pair. */
  difference: estimateSchema,
  wins: count,
  ties: count,
  losses: count,
  /** Wins among the pairs that differ; null where none does. */
  winRate: estimateSchema.nullable(),
  /** p-value. */
  signTest: z.number().min(0).max(1),
  finding: z.enum(["better", "worse", "within noise"]),
  /** What the finding rests on or is limited by, in words; empty where there is nothing to say. */
  remark: z.string(),
});
export type Contrast = z.infer<typeof contrastSchema>;

const rowSchema = z.strictObject({
  label: z.string(),
  /** A category, one that stands apart, or a mean over all, or over all that do not stand apart. */
  scope: z.enum(["category", "apart", "all", "without apart"]),
  pairs: z.int().positive(),
  prompts: z.int().positive(),
  /** Whether these are so few prompts that the remarks say so. */
  small: z.boolean(),
  /** Of each variant, the baseline first. */
  means: z.array(estimateSchema).min(2),
  /** Of each variant but the baseline. */
  contrasts: z.array(contrastSchema).min(1),
});
export type ComparisonRow = z.infer<typeof rowSchema>;

export const comparisonSchema = z
  .strictObject({
    metric: metricSchema,
    /** The baseline first. */
    variants: z.array(z.string().min(1)).min(2),
    rows: z.array(rowSchema).min(1),
    bootstrap: z.strictObject({ resamples: z.int().positive(), seed: z.int().nonnegative() }),
  })
  .refine(
    ({ variants, rows }) =>
      rows.every(
        ({ means, contrasts }) => means.length === variants.length && contrasts.length === variants.length - 1,
      ),
    "each row needs a mean of every variant and a contrast of every variant but the first",
  )
  .refine(({ rows }) => rows.some(({ scope }) => scope === "all"), 'the rows lack the one of scope "all"');
export type PairedComparison = z.infer<typeof comparisonSchema>;

/** One image's score under one metric. */
export interface ItemScore {
  readonly prompt: string;
  readonly seed: number;
  readonly category: string;
  readonly score: number;
}

export interface VariantScores {
  readonly name: string;
  readonly items: readonly ItemScore[];
}

export interface ComparisonOptions {
  readonly metric: Metric;
  /** Categories that the second mean leaves out. */
  readonly apart?: readonly string[];
  readonly resamples?: number;
  readonly seed?: number;
}

/** Below this many prompts a finding is called one of a small set. */
export const smallSet = 30;

interface Pair {
  readonly prompt: string;
  readonly category: string;
  /** Of each variant. */
  readonly scores: readonly number[];
}

/**
 * Compares all variants with the first. Each must have scored the same prompts with the same seeds, once each, in any order; every row's order is
 * that of the first variant's categories, then the means.
 */
export function comparePaired(
  variants: readonly VariantScores[],
  { metric, apart = [], resamples = defaultResamples, seed = 0 }: ComparisonOptions,
): PairedComparison {
  const pairs = pairUp(variants, metric);
  const row = (label: string, scope: ComparisonRow["scope"], chosen: readonly Pair[]): ComparisonRow => {
    const groups = byPrompt(chosen);
    const estimate = (scores: Groups): Estimate =>
      metric.kind === "verdict" ? proportion(scores) : bootstrapMean(scores, new Generator(seed), resamples);
    const contrast = (variant: number): Contrast => {
      const differences = groups.map((group) => group.map(({ scores }) => scores[variant] - scores[0]));
      const difference = bootstrapMean(differences, new Generator(seed), resamples);
      const wins = countWins(
        chosen.map(({ scores }) => [scores[0], scores[variant]]),
        metric.better,
      );
      const p = signTest(wins);
      const finding = findingOf(metric, difference, p, groups.length);
      return { difference, ...wins, winRate: winRate(wins), signTest: p, ...finding };
    };
    return {
      label,
      scope,
      pairs: chosen.length,
      prompts: groups.length,
      small: groups.length < smallSet,
      means: variants.map((_, variant) => estimate(groups.map((group) => group.map(({ scores }) => scores[variant])))),
      contrasts: variants.slice(1).map((_, index) => contrast(index + 1)),
    };
  };

  const categories = [...new Set(pairs.map(({ category }) => category))];
  const rows = categories.map((category) =>
    row(
      category,
      apart.includes(category) ? "apart" : "category",
      pairs.filter((pair) => pair.category === category),
    ),
  );
  rows.push(row("mean over all", "all", pairs));
  const kept = pairs.filter(({ category }) => !apart.includes(category));
  if (kept.length > 0 && kept.length < pairs.length) {
    const left = categories.filter((category) => apart.includes(category));
    rows.push(row(`mean without ${left.join(", ")}`, "without apart", kept));
  }
  return { metric, variants: variants.map(({ name }) => name), rows, bootstrap: { resamples, seed } };
}

/** The row of all pairs. */
export function overallRow({ rows }: PairedComparison): ComparisonRow {
  const row = rows.find(({ scope }) => scope === "all");
  if (row === undefined) throw new InputError("the comparison has no mean over all");
  return row;
}

/**
 * What may be said of a difference: it is called better or worse only if its interval leaves out 0 and, for verdicts and small sets, the exact test
 * agrees at 5%: the bootstrap is too bold where few pairs differ.
 */
function findingOf(
  { kind, better }: Metric,
  { value, interval }: Estimate,
  p: number,
  prompts: number,
): Pick<Contrast, "finding" | "remark"> {
  const small = prompts < smallSet ? [`small set of ${prompts} ${prompts === 1 ? "prompt" : "prompts"}`] : [];
  const noise = (...why: string[]) => ({ finding: "within noise", remark: [...why, ...small].join("; ") }) as const;
  if (prompts < 2) return noise("one prompt tells nothing of others");
  if (interval === null && value === 0) return noise("the same in every prompt");
  if (interval !== null && interval.low <= 0 && interval.high >= 0) return noise();
  // Without an interval all prompts differ by the same, and only the exact test can tell whether they are many enough.
  if ((kind === "verdict" || prompts < smallSet || interval === null) && p >= 0.05) {
    return noise(`the sign test does not agree, p = ${p.toPrecision(2)}`);
  }
  return { finding: value > 0 === (better === "higher") ? "better" : "worse", remark: small.join("") };
}

/** Pairs in the first variant's order; refuses variants that do not match. */
function pairUp(variants: readonly VariantScores[], metric: Metric): Pair[] {
  const [baseline, ...others] = variants;
  if (baseline === undefined || others.length === 0) throw new InputError("a comparison needs at least two variants");
  const names = variants.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InputError(`two variants are called ${JSON.stringify(twice)}; name them apart`);
  if (baseline.items.length === 0) throw new InputError(`${baseline.name} has no scores to compare`);
  const tables = variants.map((variant) => tableOf(variant, metric));
  for (const [index, table] of tables.entries()) {
    const [name, first] = [names[index], names[0]];
    for (const [key, item] of table) {
      if (!tables[0].has(key)) throw new InputError(`${name} has a score of ${placeOf(item)}, ${first} has none`);
    }
  }
  return baseline.items.map((item) => {
    const scores = tables.map((table, index) => {
      const other = table.get(keyOf(item));
      if (other === undefined) {
        throw new InputError(`${baseline.name} has a score of ${placeOf(item)}, ${names[index]} has none`);
      }
      if (other.category !== item.category) {
        const both = `${JSON.stringify(item.category)} and ${JSON.stringify(other.category)}`;
        throw new InputError(`${placeOf(item)} is of category ${both} in ${baseline.name} and ${names[index]}`);
      }
      return other.score;
    });
    return { prompt: item.prompt, category: item.category, scores };
  });
}

function tableOf({ name, items }: VariantScores, { kind }: Metric): Map<string, ItemScore> {
  const table = new Map<string, ItemScore>();
  for (const item of items) {
    const { score } = item;
    if (!Number.isFinite(score)) throw new InputError(`${name} has the score ${score} of ${placeOf(item)}`);
    if (kind === "verdict" && score !== 0 && score !== 1) {
      throw new InputError(`${name} has the verdict ${score} of ${placeOf(item)}; verdicts are 0 or 1`);
    }
    const key = keyOf(item);
    if (table.has(key)) throw new InputError(`${name} has two scores of ${placeOf(item)}`);
    table.set(key, item);
  }
  return table;
}

function keyOf({ prompt, seed }: ItemScore): string {
  return `${seed} ${prompt}`;
}

function placeOf({ prompt, seed }: ItemScore): string {
  return `prompt ${JSON.stringify(prompt)} with seed ${seed}`;
}
