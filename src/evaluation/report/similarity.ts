/** @file How often a similarity matrix ranks the right caption, or the right image, first, and by how much it tells them apart. */

import type { RankShare } from "../retrieval.js";
import type { Similarity } from "./schema.js";

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

/** Means over images that have captions of their own and others. */
export interface OwnCaptions {
  /** Under an own caption. */
  readonly own: number;
  /** How much worse the other captions are: above 0 where the own ones are better. */
  readonly lead: number;
}

/** Null where no image has both. */
export function ownCaptions(
  values: readonly (readonly number[])[],
  { own, better }: Pick<Similarity, "own" | "better">,
): OwnCaptions | null {
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const images = values.flatMap((row, image) => {
    const of = (wanted: boolean) => row.filter((_, caption) => own[image].includes(caption) === wanted);
    const [right, wrong] = [of(true), of(false)];
    if (right.length === 0 || wrong.length === 0) return [];
    return [{ own: mean(right), lead: (better === "higher" ? 1 : -1) * (mean(right) - mean(wrong)) }];
  });
  if (images.length === 0) return null;
  return { own: mean(images.map((image) => image.own)), lead: mean(images.map((image) => image.lead)) };
}

/** A line for each matrix. */
export function similarityLines(similarity: Similarity): string[] {
  return similarity.matrices.map(({ name, values }) => {
    const { right, of } = rank1Shares(values, similarity).rows;
    const told = ownCaptions(values, similarity);
    const lead = told && `, mean ${told.own.toFixed(4)} under it, others worse by ${told.lead.toFixed(4)}`;
    return `${name}: own caption first for ${right} of ${of} images${lead ?? ""}`;
  });
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
