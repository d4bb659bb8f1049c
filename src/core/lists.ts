/** @file Lists: with a length that is part of their type, and in pairs. */

/** A list of `N` values; of any length where `N` is not a literal. */
export type Tuple<T, N extends number> = N extends N ? (number extends N ? readonly T[] : Fixed<T, N, []>) : never;

type Fixed<T, N extends number, Built extends readonly T[]> = Built["length"] extends N
  ? Built
  : Fixed<T, N, readonly [...Built, T]>;

/** Whether `list` has `length` values. */
export function hasLength<T, N extends number>(list: readonly T[], length: N): list is readonly T[] & Tuple<T, N> {
  return list.length === length;
}

/** `length` values that `make` gives. */
export function times<T, N extends number>(length: N, make: (index: number) => T): Tuple<T, N> {
  const list = Array.from({ length }, (_, index) => make(index));
  if (hasLength(list, length)) return list;
  throw new RangeError(`${length} values`);
}

/** The value at `index`, which must be inside the list. */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const value = list[index];
  if (value !== undefined || index in list) return value as T;
  throw new RangeError(`index ${index} of a list of ${list.length}`);
}

/** Each value of `a` with that of `b` at the same place; both must have the same length. */
export function zip<A, B>(a: readonly A[], b: readonly B[]): (readonly [A, B])[] {
  if (a.length !== b.length) throw new RangeError(`lists of ${a.length} and ${b.length} values in pairs`);
  return a.map((value, index) => [value, at(b, index)]);
}
