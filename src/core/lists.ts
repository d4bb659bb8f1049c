/** @file Lists with a length in their type, and pairs of lists. */

/** A list of `N` values, or of any length if `N` is not a literal. */
export type Tuple<T, N extends number, Built extends readonly T[] = readonly []> = N extends N
  ? number extends N
    ? readonly T[]
    : Built["length"] extends N
      ? Built
      : Tuple<T, N, readonly [...Built, T]>
  : never;

/** Whether `list` has `length` values. */
export function hasLength<T, N extends number>(list: readonly T[], length: N): list is readonly T[] & Tuple<T, N> {
  return list.length === length;
}

/** The results of `make` for the indices below `length`. */
export function times<T, N extends number>(length: N, make: (index: number) => T): Tuple<T, N> {
  const list = Array.from({ length }, (_, index) => make(index));
  if (hasLength(list, length)) return list;
  throw new RangeError(`${length} values`);
}

/** The value at `index`. @throws RangeError if `index` is out of range */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const value = list[index];
  if (value !== undefined || index in list) return value as T;
  throw new RangeError(`index ${index} of a list of ${list.length}`);
}

/** Pairs of values at equal indices. @throws RangeError if the lengths differ */
export function zip<A, B>(a: readonly A[], b: readonly B[]): (readonly [A, B])[] {
  if (a.length !== b.length) throw new RangeError(`cannot pair lists of ${a.length} and ${b.length} values`);
  return a.map((value, index) => [value, at(b, index)]);
}
