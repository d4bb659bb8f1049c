/** @file Abort signals for tests of interruptible work. */

/** A signal whose `aborted` is true from its `count`th read on; `checks` returns the number of reads. */
export function abortedAtCheck(count: number): { readonly signal: AbortSignal; readonly checks: () => number } {
  const { signal } = new AbortController();
  let checks = 0;
  Object.defineProperty(signal, "aborted", { get: () => ++checks >= count });
  return { signal, checks: () => checks };
}
