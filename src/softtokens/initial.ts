/** @file Soft tokens before training. */

import { UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import type { SoftTokenLayout } from "../pipelines/pipeline.js";
import { familyKey, type SoftTokens } from "./softtokens.js";

export interface SoftTokenSizes {
  readonly layers: number;
  /** Tokens a layer. */
  readonly count: number;
  /** Rows of the time table; 0 for none. */
  readonly buckets: number;
  /** Whether tokens go through the model's own text projection. */
  readonly width: "raw" | "projected";
}

/** Standard deviation of the first values, as in the authors' code. */
const deviation = 0.02;

/** N(0, 0.02) tokens and time table. */
export function initialSoftTokens(layout: SoftTokenLayout, sizes: SoftTokenSizes, random: Generator): SoftTokens {
  const { layers, count, buckets } = sizes;
  if (layers > layout.layers) {
    throw new UsageError(`--layers ${layers} is more than the model's ${layout.layers} blocks`);
  }
  const width = sizes.width === "raw" ? layout.rawWidth : layout.projectedWidth;
  return {
    placement: layout.placement,
    tokens: drawn([layers, count, width], random),
    timeTable: buckets === 0 ? null : drawn([buckets, layers * layout.projectedWidth], random),
    metadata: { [familyKey]: layout.family },
  };
}

function drawn(shape: Shape, random: Generator): FloatTensor {
  return floatTensor(
    shape,
    random.normal(shape).data.map((x) => x * deviation),
  );
}
