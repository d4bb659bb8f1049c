/** @file Module names as in checkpoints: parts joined by dots. */

/** Joins two module names with a dot; either may be empty. */
export function joinNames(outer: string, inner: string): string {
  return outer === "" || inner === "" ? outer + inner : `${outer}.${inner}`;
}
