/** @file Elements of arrays whose index is known to be in range. */

/** `values[index]`; a RangeError where there is no such element, which is a fault of the program. */
export function at<T>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${index} is outside of ${values.length} elements`);
  return value;
}
