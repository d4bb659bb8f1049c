/**
 * @file Captions that say nearly the same, which a contrastive batch would take for different: by the Jaccard similarity of
 * their word pairs, found exactly by prefix filtering (Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity Search", 2007).
 */

import { at } from "../core/lists.js";
import { normalCaption } from "./caption.js";

export interface NearDuplicates {
  /** Positions of captions that are linked by similarity, the largest group first; no caption stands in two. */
  readonly groups: readonly (readonly number[])[];
  /** False where there were too many pairs to compare, so that some may be missing. */
  readonly complete: boolean;
}

/** Work that takes some seconds: pairs looked at, a comparison counting as some. Hardly more than templates come near. */
const maxWork = 1.5e8;
const workAComparison = 10;

/**
 * Groups captions whose similarity is `threshold` (above 0, at most 1) or more: |A ∩ B| / |A ∪ B| of the pairs of
 * neighbouring words, the start and the end counted as words, after `normalCaption`. Order counts: "a cat left of a dog"
 * and "a dog left of a cat" share no more than their words' neighbourhoods. Groups are chains: neighbours in one are
 * similar, its ends may be less so. Captions equal after `normalCaption` are similar by 1.
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

/** Joins the similar ones of different captions; false where it gave up. */
function linkSimilar(captions: readonly (readonly [string, number])[], threshold: number, links: Links): boolean {
  const sets = rankedPairs(captions.map(([text]) => text));
  const order = sets.map((_, index) => index).sort((a, b) => at(sets, a).length - at(sets, b).length || a - b);
  /** Captions before, by the rarest word pairs of each. */
  const index = new Map<number, number[]>();
  const seen = new Int32Array(sets.length).fill(-1);
  let work = 0;
  for (const current of order) {
    const set = at(sets, current);
    // Two sets this similar have a pair in common among the rarest of each.
    const prefix = set.subarray(0, set.length - atLeast(threshold, set) + 1);
    for (const pair of prefix) {
      const others = index.get(pair) ?? [];
      work += others.length;
      if (work > maxWork) return false;
      for (const other of others) {
        const otherSet = at(sets, other);
        if (seen[other] === current || otherSet.length < atLeast(threshold, set)) continue;
        seen[other] = current;
        const [a, b] = [at(captions, current)[1], at(captions, other)[1]];
        if (links.joined(a, b)) continue;
        work += workAComparison;
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

/** How many elements of `set` a similar one shares at least; a rounding error must not make it one more. */
function atLeast(threshold: number, set: Uint32Array): number {
  return Math.ceil(threshold * set.length - 1e-9);
}

/** The word pairs of each text as numbers, rare ones first and each once. */
function rankedPairs(texts: readonly string[]): Uint32Array[] {
  const numbers = new Map<string, number>();
  const counts: number[] = [];
  const sets = texts.map((text) => {
    const words = ["", ...text.split(" "), ""];
    const pairs = new Set<number>();
    for (let i = 1; i < words.length; i++) {
      const pair = `${words[i - 1]} ${words[i]}`;
      const number = numbers.get(pair) ?? numbers.size;
      numbers.set(pair, number);
      pairs.add(number);
    }
    for (const number of pairs) counts[number] = (counts[number] ?? 0) + 1;
    return pairs;
  });
  const ranks = new Uint32Array(counts.length);
  const byCount = counts.map((_, number) => number).sort((a, b) => at(counts, a) - at(counts, b) || a - b);
  for (const [rank, number] of byCount.entries()) ranks[number] = rank;
  return sets.map((pairs) => Uint32Array.from(pairs, (number) => at(ranks, number)).sort());
}

/** Of two ascending lists. */
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

/** Disjoint groups (union-find). */
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
