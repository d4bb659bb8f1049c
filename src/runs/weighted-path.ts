/** @file Parses `path` or `path=0.3`: a data set and its share of the samples. */

import { UsageError } from "../core/errors.js";
import { statOrNull } from "../core/missing.js";

export interface WeightedPath {
  readonly path: string;
  /** Above 0; undefined if not given. */
  readonly weight: number | undefined;
}

/** An existing path is a path, even if it ends in = and a number. */
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
