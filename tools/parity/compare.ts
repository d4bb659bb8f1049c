/** @file Compares values with goldens and formats the result. */

import type { FloatTensor } from "#softrepa/core/tensor.js";

/** The tolerance: |a - b| <= absolute + relative |b| per element, or a relative L2 error of the whole tensor. */
export type Limit =
  | { readonly kind: "each"; readonly absolute: number; readonly relative: number }
  | { readonly kind: "whole"; readonly relative: number };

/** The tolerances in the goldens' README. */
export const limits = {
  module: { kind: "each", absolute: 2e-4, relative: 1e-3 },
  sampler: { kind: "each", absolute: 2e-3, relative: 5e-3 },
  error: { kind: "each", absolute: 0, relative: 1e-4 },
  gradient: { kind: "whole", relative: 1e-3 },
  parameter: { kind: "each", absolute: 2e-5, relative: 0 },
  exact: { kind: "each", absolute: 0, relative: 0 },
} as const satisfies Record<string, Limit>;

export interface Comparison {
  readonly name: string;
  readonly largestAbsolute: number;
  /** Largest |a - b| / |b|, or the relative L2 error of the whole tensor if that is the limit. */
  readonly largestRelative: number;
  readonly limit: Limit;
  readonly ok: boolean;
  /** The reason of a failure that the errors do not show. */
  readonly remark?: string;
}

export function compare(
  name: string,
  actual: Pick<FloatTensor, "data" | "shape">,
  expected: Pick<FloatTensor, "data" | "shape">,
  limit: Limit,
): Comparison {
  if (actual.data.length !== expected.data.length) {
    const remark = `shape [${actual.shape}] instead of [${expected.shape}]`;
    return { name, largestAbsolute: Number.NaN, largestRelative: Number.NaN, limit, ok: false, remark };
  }
  let largestAbsolute = 0;
  let largestRelative = 0;
  let squares = 0;
  let expectedSquares = 0;
  let within = true;
  for (const [index, reference] of expected.data.entries()) {
    const difference = Math.abs(actual.data[index] - reference);
    largestAbsolute = Math.max(largestAbsolute, difference);
    if (difference !== 0) largestRelative = Math.max(largestRelative, difference / Math.abs(reference));
    squares += difference ** 2;
    expectedSquares += reference ** 2;
    // Written so that NaN counts as outside the limit.
    if (limit.kind === "each" && !(difference <= limit.absolute + limit.relative * Math.abs(reference))) within = false;
  }
  if (limit.kind === "each") return { name, largestAbsolute, largestRelative, limit, ok: within };
  const whole = squares === 0 ? 0 : Math.sqrt(squares / expectedSquares);
  return { name, largestAbsolute, largestRelative: whole, limit, ok: whole <= limit.relative };
}

/** `sd3/vae mean   abs 1.2e-7  rel 3.0e-6  limit 2e-4 + 1e-3 |x|  ok`. */
export function formatComparison({ name, largestAbsolute, largestRelative, limit, ok, remark }: Comparison): string {
  const allowed =
    limit.kind === "whole" ? `L2 ${limit.relative}` : `${limit.absolute || 0} + ${limit.relative || 0} |x|`;
  const numbers = `abs ${formatError(largestAbsolute)}  rel ${formatError(largestRelative)}`;
  const verdict = ok ? "ok" : "FAIL";
  return `${name.padEnd(44)} ${numbers}  limit ${allowed.padEnd(20)} ${verdict}${remark ? ` (${remark})` : ""}`;
}

function formatError(error: number): string {
  return (Number.isFinite(error) ? error.toExponential(1) : String(error)).padEnd(8);
}
