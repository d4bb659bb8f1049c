/** @file A moving mean, to see a noisy curve's course. */

/** Steps of the window: about a twentieth of the curve, odd, at least 3. */
export function smoothingWindow(count: number): number {
  return Math.max(3, 2 * Math.floor(count / 40) + 1);
}

/** Centred means over `window` values, an odd number: only where the window is full, so that a half window is missing at each end. */
export function smooth(values: readonly number[], window: number): number[] {
  const sums = new Float64Array(values.length + 1);
  for (const [i, value] of values.entries()) sums[i + 1] = sums[i] + value;
  return Array.from(
    { length: Math.max(0, values.length - window + 1) },
    (_, i) => (sums[i + window] - sums[i]) / window,
  );
}
