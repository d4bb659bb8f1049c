/** @file Batches for a session of fixed batch size. */

/** Splits `items` into batches of exactly `size`, padding the last with its last item; `real` is the count without padding. */
export function* paddedBatches<T>(items: readonly T[], size: number): Generator<{ batch: T[]; real: number }> {
  for (let start = 0; start < items.length; start += size) {
    const batch = items.slice(start, start + size);
    const real = batch.length;
    const last = batch.slice(-1);
    while (batch.length < size) batch.push(...last);
    yield { batch, real };
  }
}
