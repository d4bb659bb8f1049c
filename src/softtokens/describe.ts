/** @file What there is to see in soft tokens without a model: sizes, norms, metadata. */

import type { FloatTensor } from "../core/tensor.js";
import { type Placement, type SoftTokenDimensions, type SoftTokens, sizesOf } from "./softtokens.js";

export interface SoftTokensDescription extends SoftTokenDimensions {
  readonly placement: Placement;
  /** Trained numbers: tokens and time table. */
  readonly parameters: number;
  /** How many of them are NaN or infinite; 0 in tokens that can be used. */
  readonly nonFinite: number;
  /** L2 norm of each layer's tokens together. */
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
