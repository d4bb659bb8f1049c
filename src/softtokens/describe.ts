/** @file Describes soft tokens without a model: sizes, norms, metadata. */

import type { FloatTensor } from "../core/tensor.js";
import { type Placement, type SoftTokenDimensions, type SoftTokens, sizesOf } from "./softtokens.js";

export interface SoftTokensDescription extends SoftTokenDimensions {
  readonly placement: Placement;
  /** Number of values in tokens and time table. */
  readonly parameters: number;
  /** Number of NaN or infinite values; 0 in usable tokens. */
  readonly nonFinite: number;
  /** L2 norm of the tokens of each layer. */
  readonly layerNorms: readonly number[];
  /** L2 norm of each row of the time table. */
  readonly bucketNorms: readonly number[];
  readonly metadata: Readonly<Record<string, string>>;
}

export function describeSoftTokens(tokens: SoftTokens, origin = "soft tokens"): SoftTokensDescription {
  const sizes = sizesOf(tokens, origin);
  const tables = tokens.timeTable === null ? [tokens.tokens] : [tokens.tokens, tokens.timeTable];
  return {
    placement: tokens.placement,
    ...sizes,
    parameters: tables.reduce((sum, { data }) => sum + data.length, 0),
    nonFinite: tables.reduce((sum, { data }) => sum + data.filter((value) => !Number.isFinite(value)).length, 0),
    layerNorms: rowNorms(tokens.tokens),
    bucketNorms: tokens.timeTable === null ? [] : rowNorms(tokens.timeTable),
    metadata: tokens.metadata,
  };
}

/** L2 norm of each slice along the first axis. */
function rowNorms({ shape: [count = 0], data }: FloatTensor): number[] {
  const length = data.length / count;
  return Array.from({ length: count }, (_, row) =>
    Math.sqrt(data.subarray(row * length, (row + 1) * length).reduce((sum, value) => sum + value * value, 0)),
  );
}
