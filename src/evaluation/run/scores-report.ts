/** @file A report of scores: comparisons pair by pair where there are several variants, means where there is one, and images. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { at } from "../../core/lists.js";
import { Generator } from "../../core/random.js";
import { pngThumbnail } from "../../data/thumbnail.js";
import { comparePaired, countingCategories, type Metric, type PairedComparison } from "../paired-comparison.js";
import { headlineOf, type Report } from "../report/index.js";
import type { Gallery, GalleryItem, ReportedMeans } from "../report/schema.js";
import { bootstrapMean, byPrompt, type Estimate, proportion } from "../statistics.js";
import { chosenPairs } from "./gallery-choice.js";
import { noCategory } from "./image-set.js";
import type { EvaluationScores, ScoredImage, ScoredMetric, ScoredVariant } from "./scores.js";

export interface ScoresReportOptions {
  readonly title: string;
  /** What image files are named from. */
  readonly folder: string;
  readonly settings?: Report["settings"];
  readonly cost?: Report["cost"];
}

/** Largest side of an image in the page. */
const thumbnailSide = 256;

export async function scoresReport(scores: EvaluationScores, options: ScoresReportOptions): Promise<Report> {
  const { notRun } = scores;
  const comparisons = compareScores(scores);
  const measurements = [...meansOf(scores), ...setsOf(scores)];
  const gallery = await galleryOf(scores, options.folder);
  const [first] = comparisons;
  const notes = [
    ...scores.metrics.flatMap(({ name, weights }) => (weights === "" ? [] : [`${name}: ${weights}`])),
    ...(gallery === null && scores.metrics.some(({ of }) => of === "image")
      ? ["Images are missing or outside of the folder of their run, so none are shown."]
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

/** One comparison for each metric of single images, of all variants with the first; none of a single variant. */
export function compareScores({ metrics, variants }: EvaluationScores): PairedComparison[] {
  if (variants.length < 2) return [];
  return metrics
    .filter(({ of }) => of === "image")
    .map((metric) => {
      const scored = variants.map(({ name, images }) => ({ name, items: itemsOf(images, metric.name) }));
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

function itemsOf(images: readonly ScoredImage[], metric: string) {
  return images.flatMap(({ prompt, seed, category, scores }) => {
    const score = scores[metric];
    return score === undefined ? [] : [{ prompt, seed, category, score }];
  });
}

/** Means with their intervals: of distances, and of everything where there is only one variant. */
function meansOf({ metrics, variants }: EvaluationScores): ReportedMeans[] {
  return metrics
    .filter(({ of }) => of !== "image" || variants.length === 1)
    .map((metric) => {
      const distance = metric.of !== "image";
      const rows = variants.flatMap((variant) => meanRows(variant, metric, !distance));
      const remark = distance ? `mean distance to the image of ${variants[0]?.name} with the same prompt and seed` : "";
      return { metric: plain(metric), rows, remark };
    })
    .filter(({ rows }) => rows.length > 0);
}

function meanRows({ name, images }: ScoredVariant, metric: ScoredMetric, byCategory: boolean): ReportedMeans["rows"] {
  const items = itemsOf(images, metric.name);
  if (items.length === 0) return [];
  const row = (label: string, chosen: typeof items) => {
    const groups = byPrompt(chosen).map((group) => group.map(({ score }) => score));
    const estimate: Estimate = metric.kind === "verdict" ? proportion(groups) : bootstrapMean(groups, new Generator(0));
    return { variant: name, label, images: chosen.length, estimate };
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
function setsOf({ sets }: EvaluationScores): ReportedMeans[] {
  const groups = new Map(sets.map((score) => [`${score.metric} ${score.reference}`, score]));
  return [...groups.values()].map(({ metric, reference }) => {
    const scores = sets.filter((score) => score.metric === metric && score.reference === reference);
    return {
      metric: { name: metric, kind: "number", better: "lower" },
      rows: scores.map(({ variant, value, images }) => ({
        variant,
        label: "all",
        images,
        estimate: { value, standardError: null, interval: null },
      })),
      remark: [
        `against ${reference}`,
        ...new Set(scores.flatMap(({ remark }) => (remark === "" ? [] : [remark]))),
      ].join("; "),
    };
  });
}

/** Images of the first metric. */
async function galleryOf({ metrics, variants }: EvaluationScores, folder: string): Promise<Gallery | null> {
  const metric = metrics.find(({ of }) => of === "image");
  if (metric === undefined) return null;
  const { chosen, pairs } = chosenPairs(variants, metric);
  const items: GalleryItem[] = [];
  for (const images of pairs) {
    const shown: GalleryItem["images"] = [];
    for (const { file, scores, reason } of images) {
      const path = file === null ? null : resolve(folder, file);
      if (path === null || !existsSync(path)) return null;
      const png = Buffer.from(await pngThumbnail(path, thumbnailSide)).toString("base64");
      shown.push({ score: scores[metric.name] ?? null, reason, png });
    }
    const { prompt, category, seed } = at(images, 0);
    items.push({ prompt, category, seed, images: shown });
  }
  if (items.length === 0) return null;
  return { metric: plain(metric), variants: variants.map(({ name }) => name), chosen, items };
}
