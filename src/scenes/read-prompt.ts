/**
 * @file What a prompt asks, read off its words: the way back from `phrase` to the question, for images that come with nothing but their prompt.
 *
 * A prompt that says anything the world has no word for, or that can be understood in two ways, asks nothing that can be verified.
 */

import {
  type Category,
  type Colour,
  colours,
  type ObjectShape,
  oppositeRelation,
  type Relation,
  relations,
  shapes,
} from "./scene.js";
import type { Expectation } from "./verify.js";
import * as words from "./words.js";

/** A noun with what stands around it; positions count words. */
interface Noun {
  readonly shape: ObjectShape;
  readonly colour: Colour | null;
  readonly count: number | null;
  readonly start: number;
  readonly end: number;
}

interface Place {
  readonly relation: Relation;
  /** "on the left", which needs no second noun, rather than "left of". */
  readonly side: boolean;
  readonly start: number;
  readonly end: number;
}

const nouns = new Map<string, { readonly shape: ObjectShape; readonly several: boolean }>(
  shapes.flatMap((shape) => {
    const { one, many } = words.nouns[shape];
    return [
      ...one.map((word) => [word, { shape, several: false }] as const),
      ...many.map((word) => [word, { shape, several: true }] as const),
    ];
  }),
);
const colourOf = new Map(colours.flatMap((colour) => words.colourWords[colour].map((word) => [word, colour] as const)));
const sizeWords: ReadonlySet<string> = new Set(Object.values(words.sizeWords).flat());
const numbers = new Map<string, number>([
  ["a", 1],
  ...Object.entries(words.numberWords).map(([number, word]) => [word, Number(number)] as const),
  ...words.digits.map((digit) => [digit, Number(digit)] as const),
]);
/** The longest first, so that "on the left of" is not taken for "on the left". */
const places = relations
  .flatMap((relation) => [
    ...words.relationWords[relation].map((text) => ({ relation, side: false, words: text.split(" ") })),
    { relation, side: true, words: words.sideWords[relation].phrase.split(" ") },
  ])
  .sort((a, b) => b.words.length - a.words.length);
const known: ReadonlySet<string> = new Set(words.vocabulary.flatMap((word) => word.split(/[^a-z0-9]+/)));

/** The question of a prompt in the careful, catalogue or alt register; null where it asks none that can be verified. */
export function readPrompt(prompt: string): Expectation | null {
  const text = prompt.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  if (text.some((word) => !known.has(word))) return null;
  const found = text.flatMap((_, index) => nounAt(text, index) ?? []);
  const [first, second] = found;
  if (first === undefined || found.length > 2 || found.some(({ count }) => count === null)) return null;
  const places = placesOutside(text, found);
  const objects = found.map(({ shape, colour, count }) => ({ shape, colour, count: count ?? 1 }));
  if (second === undefined) {
    if (places.length > 0) return null;
    return { category: categoryOfOne(first), objects, relation: null };
  }
  if (objects.some(({ count }) => count !== 1) || first.shape === second.shape) return null;
  if (places.length === 0) {
    return { category: first.colour && second.colour ? "attribution" : "two", objects, relation: null };
  }
  const relation = relationOf(text, places, first, second);
  return relation && { category: "position", objects, relation };
}

function categoryOfOne({ count, colour }: Noun): Category {
  if (count !== 1) return "counting";
  return colour === null ? "single" : "colours";
}

function nounAt(text: readonly string[], index: number): Noun | null {
  const word = (at: number) => text[at] ?? "";
  const describes = (at: number) => colourOf.has(word(at)) || sizeWords.has(word(at));
  const noun = nouns.get(word(index));
  if (noun === undefined) return null;
  let start = index;
  let colour: Colour | null = null;
  while (describes(start - 1)) {
    start--;
    colour ??= colourOf.get(word(start)) ?? null;
  }
  const number = numbers.get(word(start - 1));
  if (number !== undefined) start--;
  let end = index + 1;
  const behind = text[end] === "that" ? end + 2 : text[end] === "in" ? end + 1 : end;
  if (behind > end && describes(behind)) {
    colour ??= colourOf.get(word(behind)) ?? null;
    end = behind + 1;
  }
  const count = noun.several ? (number ?? countApart(text)) : (number ?? 1);
  return { shape: noun.shape, colour, count, start, end };
}

/** "three of them", "three in all". */
function countApart(text: readonly string[]): number | null {
  const at = text.findIndex(
    (word, index) => numbers.has(word) && /^(?:of them|in all)$/.test(`${text[index + 1]} ${text[index + 2]}`),
  );
  return numbers.get(text[at] ?? "") ?? null;
}

function placesOutside(text: readonly string[], found: readonly Noun[]): Place[] {
  const result: Place[] = [];
  for (let index = 0; index < text.length; index++) {
    if (found.some(({ start, end }) => index >= start && index < end)) continue;
    const place = places.find(({ words: wanted }) => wanted.every((word, i) => text[index + i] === word));
    if (place === undefined) continue;
    const end = index + place.words.length;
    result.push({ relation: place.relation, side: place.side, start: index, end });
    index = end - 1;
  }
  return result;
}

/** Where the first noun lies, seen from the second. */
function relationOf(text: readonly string[], found: readonly Place[], first: Noun, second: Noun): Relation | null {
  const [place, other, ...more] = found;
  if (place === undefined || more.length > 0) return null;
  if (other !== undefined) {
    // "on the left a star, on the right a square"
    const each =
      place.side && other.side && place.end <= first.start && other.start >= first.end && other.end <= second.start;
    return each && other.relation === oppositeRelation[place.relation] ? place.relation : null;
  }
  if (place.side) return null;
  // "below the star there is a square"
  if (place.end <= first.start) return oppositeRelation[place.relation];
  if (place.start < first.end || place.end > second.start) return null;
  // "a star, and below it a square"
  return text[place.end] === "it" ? oppositeRelation[place.relation] : place.relation;
}
