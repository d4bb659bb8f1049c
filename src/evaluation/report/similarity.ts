/** @file How often a similarity matrix ranks the right caption, or the right picture, first. */

import type { Similarity } from "./schema.js";

/** `of` counts only those whose answer is known. */
export interface RankShare {
  readonly right: number;
  readonly of: number;
}

export interface Rank1 {
  /** Images whose best caption is one of their own. */
  readonly rows: RankShare;
  /** Captions whose best image is one of theirs. */
  readonly columns: RankShare;
}

/** A tie with a wrong one is not first: a matrix of equal numbers must not look perfect. */
export function rank1Shares(
  values: readonly (readonly number[])[],
  { own, better, captions }: Pick<Similarity, "own" | "better" | "captions">,
): Rank1 {
  const columnsOwn = captions.map((_, caption) =>
    own.flatMap((list, image) => (list.includes(caption) ? [image] : [])),
  );
  const columns = captions.map((_, caption) => values.map((row) => row[caption]));
  return { rows: shareFirst(values, own, better), columns: shareFirst(columns, columnsOwn, better) };
}

function shareFirst(
  lines: readonly (readonly number[])[],
  own: readonly (readonly number[])[],
  better: Similarity["better"],
): RankShare {
  const known = lines.map((line, i) => ({ line, right: own[i] })).filter(({ right }) => right.length > 0);
  const sign = better === "higher" ? 1 : -1;
  const first = known.filter(({ line, right }) => {
    const best = (wanted: boolean) =>
      Math.max(...line.flatMap((value, i) => (right.includes(i) === wanted ? [sign * value] : [])));
    return best(true) > best(false);
  });
  return { right: first.length, of: known.length };
}
