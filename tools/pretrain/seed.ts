/** @file Seeds of generators by name, so that what is drawn for a step or a shard depends on nothing that came before. */

/** FNV-1a of the name. */
export function seedOf(name: string): number {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return hash >>> 0;
}
