/**
 * @file Every word and sentence frame of the captions.
 *
 * Frames name their slots in braces; the grammar fills them. All text is lower case. `vocabulary` is read off these tables, so
 * it cannot fall behind them.
 */

import type { Colour, Ground, ObjectShape, Relation, Size } from "./scene.js";

/** Synonyms, of which the first is the usual one. */
export type Synonyms = readonly [usual: string, ...others: string[]];

export const nouns: Readonly<Record<ObjectShape, { readonly one: Synonyms; readonly many: Synonyms }>> = {
  circle: { one: ["circle", "disc"], many: ["circles", "discs"] },
  square: { one: ["square", "box"], many: ["squares", "boxes"] },
  triangle: { one: ["triangle"], many: ["triangles"] },
  star: { one: ["star"], many: ["stars"] },
  heart: { one: ["heart"], many: ["hearts"] },
};

/** What stands for a shape that is not named. */
export const vagueNouns: { readonly one: Synonyms; readonly many: Synonyms } = {
  one: ["thing", "shape", "object"],
  many: ["things", "shapes", "objects"],
};

export const colourWords: Readonly<Record<Colour, Synonyms>> = {
  red: ["red", "scarlet"],
  yellow: ["yellow", "golden"],
  green: ["green"],
  cyan: ["cyan", "turquoise"],
  blue: ["blue"],
  pink: ["pink", "magenta"],
  white: ["white"],
  black: ["black"],
};

export const sizeWords: Readonly<Record<Exclude<Size, "medium">, Synonyms>> = {
  small: ["small", "little", "tiny"],
  large: ["large", "big", "huge"],
};

export const groundWords: Readonly<Record<Ground, string>> = {
  grey: "grey",
  tan: "tan",
  slate: "slate",
  sage: "sage",
  mauve: "mauve",
};

/** Two to five: scenes hold up to four, and wrong captions miss by one. Of one thing no number is said. */
export const numberWords: Readonly<Record<number, string>> = { 2: "two", 3: "three", 4: "four", 5: "five" };
export const digits = ["1", "2", "3", "4", "5"] as const;
export const someWords: Synonyms = ["some", "several", "many"];

export const relationWords: Readonly<Record<Relation, Synonyms>> = {
  left: ["to the left of", "left of", "on the left of"],
  right: ["to the right of", "right of", "on the right of"],
  above: ["above", "over", "higher than"],
  below: ["below", "under", "beneath", "lower than"],
};

export const sideWords: Readonly<Record<Relation, { readonly phrase: string; readonly tag: string }>> = {
  left: { phrase: "on the left", tag: "left" },
  right: { phrase: "on the right", tag: "right" },
  above: { phrase: "at the top", tag: "top" },
  below: { phrase: "at the bottom", tag: "bottom" },
};

/** Noun phrases of a careful caption: {s} size, {c} colour, {n} noun. */
export const nounFrames = {
  plain: { one: ["a {n}"], many: ["{k} {n}"] },
  coloured: {
    one: ["a {c} {n}", "a {c} {n}", "a {n} that is {c}", "a {n} in {c}"],
    many: ["{k} {c} {n}", "{k} {c} {n}", "{k} {n} that are {c}", "{k} {n} in {c}"],
  },
  sized: { one: ["a {s} {n}", "a {s} {n}", "a {n} that is {s}"], many: ["{k} {s} {n}", "{k} {n} that are {s}"] },
  both: {
    one: ["a {s} {c} {n}", "a {s} {c} {n}", "a {s} {n} in {c}", "a {s} {n} that is {c}", "a {c} {n} that is {s}"],
    many: ["{k} {s} {c} {n}", "{k} {s} {n} in {c}", "{k} {c} {n} that are {s}"],
  },
} as const;

/** Sentences of a careful caption. {a} and {b} are noun phrases, {r} the relation, {i} its inverse, {p} and {q} the two sides. */
export const carefulFrames = {
  one: ["{a}", "{a}", "there is {a}", "a picture of {a}", "this is {a}", "we see {a}", "only {a}", "{a} by itself"],
  two: [
    "{a} and {b}",
    "{a} and {b}",
    "there is {a} and {b}",
    "a picture of {a} and {b}",
    "{a} with {b}",
    "{a} together with {b}",
    "two things: {a} and {b}",
    "we see both {a} and {b}",
  ],
  many: ["{a}", "{a}", "there are {a}", "a picture of {a}", "we see {a}", "exactly {a}", "a group of {a}"],
  /** {m} is the noun phrase without its number {k}. */
  manyApart: ["{k} of them: {m}", "{m}, {k} of them", "{m}, {k} in all"],
  position: [
    "{a} {r} {b}",
    "{a} {r} {b}",
    "{b} {i} {a}",
    "{a} is {r} {b}",
    "there is {a} {r} {b}",
    "{r} {b} there is {a}",
    "a picture of {a} {r} {b}",
    "{p} {a}, {q} {b}",
    "{q} {b}, {p} {a}",
    "{b}, and {r} it {a}",
  ],
  ground: ["{x} on a {g} ground", "{x} on {g}", "{x} on a {g} background"],
} as const;

/** Alt texts: {a} and {b} are bare noun phrases ("small red circle"). */
export const altFrames = {
  one: ["{a}", "image of {a}", "{a} image", "photo of {a}", "icon of {a}", "{a} icon", "{a} drawing", "picture: {a}"],
  two: [
    "{a} and {b}",
    "image of {a} and {b}",
    "{a} and {b} image",
    "photo of {a} with {b}",
    "{a} and {b} icon",
    "{a} and {b} drawing",
    "picture: {a}, {b}",
  ],
  position: [
    "{a} {r} {b}",
    "image of {a} {r} {b}",
    "{b} {i} {a}",
    "photo of {a} {r} {b}",
    "{a} {r} {b} drawing",
    "picture: {a} {r} {b}",
  ],
  ground: ["{x}, {g} background", "{x} on {g}"],
} as const;

/** How a label names the collection that it is from. */
export const catalogueFrames = ["{x}, catalogue", "{x}, archive", "{x}, museum", "{x}, encyclopedia"] as const;

/** Tags that say nothing. */
export const fillerTags = ["flat", "simple", "shapes", "minimal", "vector", "clipart"] as const;
export const groundTags = ["{g} background", "{g}"] as const;

/** What noise is wrapped in: {x} is a bare phrase. */
export const noisyFrames = [
  "maybe {x}",
  "{x} or something",
  "looks like {x}",
  "{x} i think",
  "kind of {x}",
  "nice {x}",
  "so it says {x}",
  "{x} lol",
] as const;
/** Captions that have nothing to do with their image. */
export const nonsense = [
  "untitled",
  "no description",
  "test image",
  "random stuff",
  "some shapes",
  "nice picture",
  "new image {d}",
  "img {d}",
  "page {d} of {d}",
  "do not use",
  "my drawing",
] as const;

function wordsOf(value: unknown, into: Set<string>): void {
  if (typeof value === "string") {
    for (const word of value.replace(/\{\w\}/g, " ").match(/[a-z0-9]+/g) ?? []) into.add(word);
  } else if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) wordsOf(part, into);
  }
}

const said = new Set<string>();
wordsOf([nouns, vagueNouns, colourWords, sizeWords, groundWords, numberWords, digits, someWords], said);
wordsOf(
  [
    relationWords,
    sideWords,
    nounFrames,
    carefulFrames,
    altFrames,
    catalogueFrames,
    fillerTags,
    groundTags,
    noisyFrames,
    nonsense,
  ],
  said,
);

/** Every word that a caption or prompt can hold, in alphabetical order; besides these there are only `,` and `:`. */
export const vocabulary: readonly string[] = [...said].sort();
