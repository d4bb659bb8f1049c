/** @file Signals for tests of where long work may be stopped. */

/** A signal that is aborted from the `count`th time on that somebody looks, and how often that was. */
export function abortedAtCheck(count: number): { readonly signal: AbortSignal; readonly checks: () => number } {
  const { signal } = new AbortController();
  let checks = 0;
  Object.defineProperty(signal, "aborted", { get: () => ++checks >= count });
  return { signal, checks: () => checks };
}
