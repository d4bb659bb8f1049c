/** @file Which images a page shows where there are too many to show all. */

import { at } from "../../core/lists.js";
import type { Metric } from "../paired-comparison.js";
import { imageKey } from "./image-set.js";
import type { ScoredImage, ScoredVariant } from "./scores.js";

/** A page of this many pairs has some megabytes. */
export const mostPairs = 200;

export interface ChosenPairs {
  /** In words. */
  readonly chosen: string;
  /** One image of every variant each. */
  readonly pairs: readonly (readonly ScoredImage[])[];
}

/**
 * All pairs where they are few, else half each of those that the second variant made better and worse by the most; of a single variant the
 * images with the worst scores.
 */
export function chosenPairs(
  variants: readonly ScoredVariant[],
  { name, better }: Metric,
  most: number = mostPairs,
): ChosenPairs {
  const sign = better === "higher" ? 1 : -1;
  const scoreOf = (pair: readonly ScoredImage[], variant: number) => sign * (at(pair, variant).scores[name] ?? 0);
  const [baseline, ...others] = variants;
  const tables = others.map(({ images }) => new Map(images.map((image) => [imageKey(image), image])));
  const pairs = (baseline?.images ?? []).flatMap((image) => {
    const further = tables.flatMap((table) => table.get(imageKey(image)) ?? []);
    return further.length === others.length && name in image.scores ? [[image, ...further]] : [];
  });
  if (others.length === 0) {
    const sorted = pairs.toSorted((a, b) => scoreOf(a, 0) - scoreOf(b, 0));
    const few = sorted.slice(0, most);
    const which = few.length === pairs.length ? "all" : `the ${few.length} of ${pairs.length} with the worst scores`;
    return { chosen: `${which}, the worst scores first`, pairs: few };
  }
  if (pairs.length <= most) return { chosen: "all", pairs };
  const gain = (pair: readonly ScoredImage[]) => scoreOf(pair, 1) - scoreOf(pair, 0);
  const gains = pairs.toSorted((a, b) => gain(b) - gain(a));
  const half = Math.floor(most / 2);
  const chosen = `the ${half} with the largest gains and the ${half} with the largest losses of ${pairs.length}`;
  return { chosen, pairs: [...gains.slice(0, half), ...gains.slice(-half)] };
}
