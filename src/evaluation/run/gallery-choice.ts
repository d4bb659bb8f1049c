/** @file Which pictures a page shows where there are too many to show all. */

import type { Metric } from "../paired-comparison.js";
import type { ScoredPicture, ScoredVariant } from "./scores.js";

/** A page of this many pairs has some megabytes. */
export const mostPairs = 200;

export interface ChosenPairs {
  /** In words. */
  readonly chosen: string;
  /** One picture of every variant each. */
  readonly pairs: readonly (readonly ScoredPicture[])[];
}

/**
 * All pairs where they are few, else half each of those that the second variant made better and worse by the most; of a single variant the
 * pictures with the worst scores.
 */
export function chosenPairs(
  variants: readonly ScoredVariant[],
  { name, better }: Metric,
  most: number = mostPairs,
): ChosenPairs {
  const sign = better === "higher" ? 1 : -1;
  const scoreOf = ({ scores }: ScoredPicture) => sign * (scores[name] ?? 0);
  const [baseline, ...others] = variants;
  const tables = others.map(({ pictures }) => new Map(pictures.map((picture) => [keyOf(picture), picture])));
  const pairs = baseline.pictures.flatMap((picture) => {
    const further = tables.flatMap((table) => table.get(keyOf(picture)) ?? []);
    return further.length === others.length && name in picture.scores ? [[picture, ...further]] : [];
  });
  if (others.length === 0) {
    const sorted = pairs.toSorted(([a], [b]) => scoreOf(a) - scoreOf(b));
    const few = sorted.slice(0, most);
    const which = few.length === pairs.length ? "all" : `the ${few.length} of ${pairs.length} with the worst scores`;
    return { chosen: `${which}, the worst scores first`, pairs: few };
  }
  if (pairs.length <= most) return { chosen: "all", pairs };
  const gains = pairs.toSorted(([a, b], [c, d]) => scoreOf(d) - scoreOf(c) - (scoreOf(b) - scoreOf(a)));
  const half = Math.floor(most / 2);
  const chosen = `the ${half} with the largest gains and the ${half} with the largest losses of ${pairs.length}`;
  return { chosen, pairs: [...gains.slice(0, half), ...gains.slice(-half)] };
}

function keyOf({ prompt, seed }: ScoredPicture): string {
  return `${seed} ${prompt}`;
}
