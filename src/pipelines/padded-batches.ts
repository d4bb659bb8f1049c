/** @file Running a list of items through a session of fixed batch size. */

/** Items of `items` in groups of exactly `size`; the last group repeats its last item. Yields how many are real. */
export function* paddedBatches<T>(items: readonly T[], size: number): Generator<{ batch: T[]; real: number }> {
  for (let start = 0; start < items.length; start += size) {
    const batch = items.slice(start, start + size);
    const real = batch.length;
    const last = batch.slice(-1);
    while (batch.length < size) batch.push(...last);
    yield { batch, real };
  }
}
