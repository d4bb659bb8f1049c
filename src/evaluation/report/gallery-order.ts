/** @file Which pairs of images come first: the largest gains, then the largest losses, then all others as they were measured. */

import type { Metric } from "../paired-comparison.js";
import type { Gallery, GalleryItem } from "./schema.js";

export const outcomes = [
  "gained",
  "lost",
  "wrong in both",
  "right in both",
  "better",
  "worse",
  "equal",
  "scored",
  "not scored",
] as const;
export type Outcome = (typeof outcomes)[number];

export interface RankedItem {
  readonly item: GalleryItem;
  readonly outcome: Outcome;
  /** How much the second variant is better than the first; 0 where that is not known. */
  readonly gain: number;
}

/** Nothing is left out. Items of equal gain keep their order. */
export function rankItems({ items, metric }: Pick<Gallery, "items" | "metric">): RankedItem[] {
  const ranked = items.map((item) => ({ item, gain: gainOf(item, metric), outcome: outcomeOf(item, metric) }));
  const gains = ranked.filter(({ gain }) => gain > 0).sort((a, b) => b.gain - a.gain);
  const losses = ranked.filter(({ gain }) => gain < 0).sort((a, b) => a.gain - b.gain);
  return [...gains, ...losses, ...ranked.filter(({ gain }) => gain === 0)];
}

function gainOf({ images }: GalleryItem, { better }: Metric): number {
  const [before, after] = images.map(({ score }) => score);
  if (typeof before !== "number" || typeof after !== "number") return 0;
  return better === "higher" ? after - before : before - after;
}

function outcomeOf(item: GalleryItem, metric: Metric): Outcome {
  const [before, after] = item.images.map(({ score }) => score);
  if (item.images.length === 1 && typeof before === "number") return "scored";
  if (typeof before !== "number" || typeof after !== "number") return "not scored";
  const gain = gainOf(item, metric);
  if (metric.kind === "number") return gain > 0 ? "better" : gain < 0 ? "worse" : "equal";
  if (gain !== 0) return gain > 0 ? "gained" : "lost";
  return (after === 1) === (metric.better === "higher") ? "right in both" : "wrong in both";
}
