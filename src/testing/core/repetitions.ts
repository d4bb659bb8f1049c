/** @file How much a test repeats: less among the fast tests (`scripts/test.mjs --fast`) than among all. */

/** Whether only the fast tests run. */
export const fastTests = process.env.SOFTREPA_FAST_TESTS === "1";

/** A tenth of `all` among the fast tests. */
export function repetitions(all: number): number {
  return fastTests ? Math.ceil(all / 10) : all;
}

/** Every fifth of `cases` among the fast tests. */
export function someOf<T>(cases: readonly T[]): readonly T[] {
  return fastTests ? cases.filter((_, index) => index % 5 === 0) : cases;
}

/** The first of `cases` alone among the fast tests, for cases that each take seconds. */
export function firstOf<T>(cases: readonly T[]): readonly T[] {
  return fastTests ? cases.slice(0, 1) : cases;
}
