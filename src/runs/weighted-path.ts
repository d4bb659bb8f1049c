/** @file `path` or `path=0.3`: a data set and how much of what is drawn it should be. */

import { UsageError } from "../core/errors.js";
import { statOrNull } from "../core/missing.js";

export interface WeightedPath {
  readonly path: string;
  /** Above 0; undefined where none was typed. */
  readonly weight: number | undefined;
}

/** A path that exists as it was typed is one, even if it looks as if it had a weight. */
export async function readWeightedPath(typed: string): Promise<WeightedPath> {
  const [, path, number] = /^(.+)=([^=/\\]*)$/.exec(typed) ?? [];
  if (path === undefined || number === undefined || (await statOrNull(typed)) !== null)
    return { path: typed, weight: undefined };
  const weight = /^(\d+\.?\d*|\.\d+)$/.test(number) ? Number(number) : Number.NaN;
  if (weight > 0 && Number.isFinite(weight)) return { path, weight };
  throw new UsageError(
    `\`data\` ${typed}: the weight must be a number above 0, such as ${path}=0.3, not ${JSON.stringify(number)}`,
  );
}
