/**
 * @file Finds nearly equal captions, which a contrastive batch would treat as different, by the Jaccard similarity of their
 * word pairs. Exact, by prefix filtering (Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity Search", 2007).
 */

import { at } from "../core/lists.js";
import { normalCaption } from "./caption.js";

export interface NearDuplicates {
  /** Disjoint groups of similar captions, as positions, the largest group first. */
  readonly groups: readonly (readonly number[])[];
  /** False if there were too many pairs to compare, so that some may be missing. */
  readonly complete: boolean;
}

/** Limit that takes a few seconds, in visited pairs; hardly anything but templates reaches it. */
const maxWork = 1.5e8;
/** A comparison costs as much as this many visited pairs. */ const workPerComparison = 10;

/**
 * Groups captions whose similarity is `threshold` (above 0, at most 1) or more: |A ∩ B| / |A ∪ B| of the pairs of adjacent
 * words after `normalCaption`, where start and end count as words. Order matters: "a cat left of a dog" and "a dog left of a
 * cat" share few pairs. Groups are connected components, so two of their captions may be less similar than `threshold`.
 * Captions that are equal after `normalCaption` have similarity 1.
 */
export function nearDuplicates(captions: readonly string[], threshold: number): NearDuplicates {
  const normal = captions.map(normalCaption);
  const firsts = new Map<string, number>();
  const links = new Links(captions.length);
  for (const [index, text] of normal.entries()) {
    const first = firsts.get(text);
    if (first === undefined) firsts.set(text, index);
    else links.join(first, index);
  }
  const complete = threshold >= 1 || linkSimilar([...firsts], threshold, links);
  return { groups: links.groups(), complete };
}

/** Links similar captions; returns false if it reached the limit. */
function linkSimilar(captions: readonly (readonly [string, number])[], threshold: number, links: Links): boolean {
  const sets = rankedPairs(captions.map(([text]) => text));
  const order = sets.map((_, index) => index).sort((a, b) => at(sets, a).length - at(sets, b).length || a - b);
  /** Earlier captions by their rarest word pairs. */
  const index = new Map<number, number[]>();
  const seen = new Int32Array(sets.length).fill(-1);
  let work = 0;
  for (const current of order) {
    const set = at(sets, current);
    // Two similar sets share a pair among the rarest of each.
    const prefix = set.subarray(0, set.length - minOverlap(threshold, set) + 1);
    for (const pair of prefix) {
      const others = index.get(pair) ?? [];
      work += others.length;
      if (work > maxWork) return false;
      for (const other of others) {
        const otherSet = at(sets, other);
        if (seen[other] === current || otherSet.length < minOverlap(threshold, set)) continue;
        seen[other] = current;
        const [a, b] = [at(captions, current)[1], at(captions, other)[1]];
        if (links.joined(a, b)) continue;
        work += workPerComparison;
        if (jaccard(set, otherSet) >= threshold) links.join(a, b);
      }
    }
    for (const pair of prefix) {
      const known = index.get(pair);
      if (known) known.push(current);
      else index.set(pair, [current]);
    }
  }
  return true;
}

/** Minimum number of elements that a similar set shares with `set`; tolerates rounding errors. */
function minOverlap(threshold: number, set: Uint32Array): number {
  return Math.ceil(threshold * set.length - 1e-9);
}

/** The distinct word pairs of each text as ranks, rare pairs first. */
function rankedPairs(texts: readonly string[]): Uint32Array[] {
  const ids = new Map<string, number>();
  const counts: number[] = [];
  const sets = texts.map((text) => {
    const words = ["", ...text.split(" "), ""];
    const pairs = new Set<number>();
    for (let i = 1; i < words.length; i++) {
      const pair = `${words[i - 1]} ${words[i]}`;
      const id = ids.get(pair) ?? ids.size;
      ids.set(pair, id);
      pairs.add(id);
    }
    for (const id of pairs) counts[id] = (counts[id] ?? 0) + 1;
    return pairs;
  });
  const ranks = new Uint32Array(counts.length);
  const byCount = counts.map((_, id) => id).sort((a, b) => at(counts, a) - at(counts, b) || a - b);
  for (const [rank, id] of byCount.entries()) ranks[id] = rank;
  return sets.map((pairs) => Uint32Array.from(pairs, (id) => at(ranks, id)).sort());
}

/** Jaccard similarity of two sorted sets. */
function jaccard(a: Uint32Array, b: Uint32Array): number {
  let common = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [left, right] = [at(a, i), at(b, j)];
    if (left === right) common++;
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return common / (a.length + b.length - common);
}

/** Disjoint sets (union-find). */
class Links {
  private readonly parents: Int32Array;

  constructor(count: number) {
    this.parents = Int32Array.from({ length: count }, (_, index) => index);
  }

  join(a: number, b: number): void {
    const [first, second] = [this.root(a), this.root(b)];
    this.parents[Math.max(first, second)] = Math.min(first, second);
  }

  joined(a: number, b: number): boolean {
    return this.root(a) === this.root(b);
  }

  /** Groups of two or more, the largest first. */
  groups(): number[][] {
    const members = new Map<number, number[]>();
    for (const index of this.parents.keys()) {
      const root = this.root(index);
      const group = members.get(root);
      if (group) group.push(index);
      else members.set(root, [index]);
    }
    return [...members.values()]
      .filter(({ length }) => length > 1)
      .sort((a, b) => b.length - a.length || at(a, 0) - at(b, 0));
  }

  private root(index: number): number {
    let root = index;
    while (this.parents[root] !== root) root = at(this.parents, root);
    for (let next = index; next !== root; ) [next, this.parents[next]] = [at(this.parents, next), root];
    return root;
  }
}
