/** @file Names of modules: parts joined by dots, as in checkpoints. */

/** `inner` below `outer`, either of which may be empty. */
export function joinNames(outer: string, inner: string): string {
  return outer === "" || inner === "" ? outer + inner : `${outer}.${inner}`;
}
