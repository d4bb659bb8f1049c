/** @file A report of scores: comparisons pair by pair where there are several variants, means where there is one, and pictures. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Generator } from "../../core/random.js";
import { pngThumbnail } from "../../data/thumbnail.js";
import { type Comparison, comparePaired, type Metric } from "../paired-comparison.js";
import { headlineOf, type Report } from "../report/index.js";
import type { Gallery, GalleryItem, Measurement } from "../report/schema.js";
import { bootstrapMean, byPrompt, type Estimate, proportion } from "../statistics.js";
import { chosenPairs } from "./gallery-choice.js";
import { noCategory } from "./picture-set.js";
import { countingCategories } from "./scene-verdict.js";
import type { ScoredMetric, ScoredPicture, ScoredVariant, Scores } from "./scores.js";

export interface ScoresReportOptions {
  readonly title: string;
  /** What pictures' files are named from. */
  readonly folder: string;
  readonly settings?: Report["settings"];
  readonly cost?: Report["cost"];
}

/** Largest side of a picture in the page. */
const thumbnailSide = 256;

export async function scoresReport(scores: Scores, options: ScoresReportOptions): Promise<Report> {
  const { variants, notRun } = scores;
  const comparisons = compareScores(scores);
  const measurements = [...meansOf(scores), ...setsOf(scores)];
  const gallery = await galleryOf(scores, options.folder);
  const [first] = comparisons;
  const notes = [
    ...scores.metrics.flatMap(({ name, weights }) => (weights === "" ? [] : [`${name}: ${weights}`])),
    ...(gallery === null && variants.some(({ pictures }) => pictures.some(({ file }) => file !== null))
      ? ["The pictures are no longer where they were, so none are shown."]
      : []),
  ];
  return {
    format: "softrepa-report",
    formatVersion: 1,
    title: options.title,
    created: new Date().toISOString(),
    ...(first && { headline: headlineOf(first) }),
    ...(comparisons.length > 0 && { comparisons }),
    ...(measurements.length > 0 && { measurements }),
    ...(notRun.length > 0 && { notRun }),
    ...(options.settings && { settings: options.settings }),
    ...(options.cost && { cost: options.cost }),
    ...(gallery && { gallery }),
    ...(notes.length > 0 && { notes }),
  };
}

/** One comparison a metric of single pictures, of all variants with the first; none of a single variant. */
export function compareScores({ metrics, variants }: Scores): Comparison[] {
  if (variants.length < 2) return [];
  return metrics
    .filter(({ of }) => of === "picture")
    .map((metric) => {
      const scored = variants.map(({ name, pictures }) => ({ name, items: itemsOf(pictures, metric.name) }));
      const comparison = comparePaired(scored, { metric: plain(metric), apart: countingCategories });
      // One category is the mean over all, said twice.
      const several = comparison.rows.filter(({ scope }) => scope === "category" || scope === "apart").length > 1;
      const rows = several ? comparison.rows : comparison.rows.filter(({ scope }) => scope === "all");
      return { ...comparison, rows };
    });
}

function plain({ name, kind, better }: ScoredMetric): Metric {
  return { name, kind, better };
}

function itemsOf(pictures: readonly ScoredPicture[], metric: string) {
  return pictures.flatMap(({ prompt, seed, category, scores }) => {
    const score = scores[metric];
    return score === undefined ? [] : [{ prompt, seed, category, score }];
  });
}

/** Means with their intervals: of distances, and of everything where there is only one variant. */
function meansOf({ metrics, variants }: Scores): Measurement[] {
  return metrics
    .filter(({ of }) => of !== "picture" || variants.length === 1)
    .map((metric) => {
      const distance = metric.of !== "picture";
      const rows = variants.flatMap((variant) => meanRows(variant, metric, !distance));
      const remark = distance
        ? `mean distance to the picture of ${variants[0].name} with the same prompt and seed`
        : "";
      return { metric: plain(metric), rows, remark };
    })
    .filter(({ rows }) => rows.length > 0);
}

function meanRows({ name, pictures }: ScoredVariant, metric: ScoredMetric, byCategory: boolean): Measurement["rows"] {
  const items = itemsOf(pictures, metric.name);
  if (items.length === 0) return [];
  const row = (label: string, chosen: typeof items) => {
    const groups = byPrompt(chosen).map((group) => group.map(({ score }) => score));
    const estimate: Estimate = metric.kind === "verdict" ? proportion(groups) : bootstrapMean(groups, new Generator(0));
    return { variant: name, label, pictures: chosen.length, estimate };
  };
  const names = [...new Set(items.map(({ category }) => category))].filter((category) => category !== noCategory);
  const categories = byCategory && names.length > 1 ? names : [];
  return [
    ...categories.map((label) =>
      row(
        label,
        items.filter(({ category }) => category === label),
      ),
    ),
    row("all", items),
  ];
}

/** FID and its like, all variants of one metric and reference together. */
function setsOf({ sets }: Scores): Measurement[] {
  const groups = new Map<string, typeof sets>();
  for (const score of sets) {
    const key = `${score.metric} ${score.reference}`;
    groups.set(key, [...(groups.get(key) ?? []), score]);
  }
  return [...groups.values()].map((scores) => ({
    metric: { name: scores[0].metric, kind: "number", better: "lower" },
    rows: scores.map(({ variant, value, pictures }) => ({
      variant,
      label: "all",
      pictures,
      estimate: { value, standardError: null, interval: null },
    })),
    remark: [
      `against ${scores[0].reference}`,
      ...new Set(scores.flatMap(({ remark }) => (remark === "" ? [] : [remark]))),
    ].join("; "),
  }));
}

/** Pictures of the first metric, which is the verifier's where there is one. */
async function galleryOf({ metrics, variants }: Scores, folder: string): Promise<Gallery | null> {
  const metric = metrics.find(({ of }) => of === "picture");
  if (metric === undefined) return null;
  const { chosen, pairs } = chosenPairs(variants, metric);
  const items: GalleryItem[] = [];
  for (const pictures of pairs) {
    const files = pictures.map(({ file }) => (file === null ? null : resolve(folder, file)));
    if (files.some((file) => file === null || !existsSync(file))) return null;
    const [{ prompt, category, seed }] = pictures;
    const shown = pictures.map(async ({ scores, reason }, index) => ({
      score: scores[metric.name] ?? null,
      reason,
      png: Buffer.from(await pngThumbnail(files[index] as string, thumbnailSide)).toString("base64"),
    }));
    items.push({ prompt, category, seed, pictures: await Promise.all(shown) });
  }
  if (items.length === 0) return null;
  return { metric: plain(metric), variants: variants.map(({ name }) => name), chosen, items };
}
