/** @file Fewer repetitions and cases for fast tests (`scripts/test.mjs --fast`). */

/** Whether only the fast tests run. */
export const fastTests = process.env.SOFTREPA_FAST_TESTS === "1";

/** `all`, or a tenth of it in fast tests. */
export function repetitions(all: number): number {
  return fastTests ? Math.ceil(all / 10) : all;
}

/** `cases`, or every fifth of them in fast tests. */
export function someOf<T>(cases: readonly T[]): readonly T[] {
  return fastTests ? cases.filter((_, index) => index % 5 === 0) : cases;
}

/** `cases`, or only the first in fast tests, for cases that take seconds each. */
export function firstOf<T>(cases: readonly T[]): readonly T[] {
  return fastTests ? cases.slice(0, 1) : cases;
}
