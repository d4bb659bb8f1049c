/** @file Descriptions put into words, in each register's own style. Everything in the description is said, and nothing else. */

import type { Generator } from "../core/random.js";
import { chance, pick } from "./choose.js";
import type { Description, Mention } from "./describe.js";
import { oppositeRelation, type Relation, type Size } from "./scene.js";
import * as words from "./words.js";

/** Slots by letter. */
type Slots = Readonly<Record<string, string>>;

function fill(frame: string, slots: Slots): string {
  return frame.replace(/\{(\w)\}/g, (_, slot: string) => slots[slot] ?? "");
}

function synonym(generator: Generator, [usual, ...others]: words.Synonyms): string {
  return others.length === 0 || chance(generator, 0.7) ? usual : pick(generator, others);
}

/** Full sentences: "on the left a star, on the right a small square". */
export function carefulPhrase(description: Description, generator: Generator): string {
  const { ground } = description;
  const text = carefulSentence(description, generator);
  return ground ? fill(pick(generator, words.carefulFrames.ground), { x: text, g: words.groundWords[ground] }) : text;
}

function carefulSentence({ mentions, relation }: Description, generator: Generator): string {
  const frames = words.carefulFrames;
  const [first, second] = mentions;
  if (!first) return synonym(generator, words.vagueNouns.many);
  if (second && relation) {
    return fill(pick(generator, frames.position), {
      a: nounPhrase(first, generator),
      b: nounPhrase(second, generator),
      ...relationSlots(relation, generator),
    });
  }
  if (second) {
    const [a = first, b = second] = generator.shuffle([first, second]);
    return fill(pick(generator, frames.two), { a: nounPhrase(a, generator), b: nounPhrase(b, generator) });
  }
  if (first.count === 1) return fill(pick(generator, frames.one), { a: nounPhrase(first, generator) });
  if (chance(generator, 0.7)) return fill(pick(generator, frames.many), { a: nounPhrase(first, generator) });
  return fill(pick(generator, frames.manyApart), {
    m: nounPhrase(first, generator, ""),
    k: numberWord(first, generator),
  });
}

/** Short labels without articles: "image of red circle and square". */
export function altPhrase(description: Description, generator: Generator): string {
  const { ground } = description;
  const text = barePhrase(description, words.altFrames, generator);
  return ground ? fill(pick(generator, words.altFrames.ground), { x: text, g: words.groundWords[ground] }) : text;
}

/** A label whose source is named: "red circle and square, catalogue". */
export function cataloguePhrase(description: Description, generator: Generator): string {
  return fill(pick(generator, words.catalogueFrames), { x: altPhrase(description, generator) });
}

interface BareFrames {
  readonly one: readonly string[];
  readonly two: readonly string[];
  readonly position: readonly string[];
}

function barePhrase({ mentions, relation }: Description, frames: BareFrames, generator: Generator): string {
  const [first, second] = mentions;
  if (!first) return synonym(generator, words.vagueNouns.many);
  if (!second) return fill(pick(generator, frames.one), { a: bareNoun(first, generator) });
  if (relation) {
    return fill(pick(generator, frames.position), {
      a: bareNoun(first, generator),
      b: bareNoun(second, generator),
      ...relationSlots(relation, generator),
    });
  }
  const [a = first, b = second] = generator.shuffle([first, second]);
  return fill(pick(generator, frames.two), { a: bareNoun(a, generator), b: bareNoun(b, generator) });
}

/** A list in any order: "flat, blue square right, red star left". `bound` false tears colours and sizes off their nouns. */
export function tagPhrase({ mentions, relation, ground }: Description, generator: Generator, bound = true): string {
  const tags: string[] = [];
  mentions.forEach((mention, index) => {
    const side = relation ? ` ${words.sideWords[index === 0 ? relation : oppositeRelation[relation]].tag}` : "";
    if (bound) {
      tags.push(bareNoun(mention, generator) + side);
      return;
    }
    tags.push(bareNoun({ ...mention, colour: null, size: null }, generator) + side);
    const { colour } = mention;
    if (colour) tags.push(synonym(generator, words.colourWords[colour]));
    if (isNamed(mention.size)) tags.push(synonym(generator, words.sizeWords[mention.size]));
  });
  if (ground) tags.push(fill(pick(generator, words.groundTags), { g: words.groundWords[ground] }));
  if (chance(generator, 0.5)) tags.push(pick(generator, words.fillerTags));
  return generator.shuffle(tags).join(", ");
}

const unadorned: BareFrames = { one: ["{a}"], two: ["{a} and {b}", "{a}, {b}"], position: ["{a} {r} {b}"] };

/** Hedged and sloppy: "maybe red circle and square or so". */
export function noisyPhrase(description: Description, generator: Generator): string {
  const text = barePhrase(description, unadorned, generator);
  const { ground } = description;
  const whole = ground ? `${text} on ${words.groundWords[ground]}` : text;
  return fill(pick(generator, words.noisyFrames), { x: whole });
}

/** A caption that says nothing of any image. */
export function nonsensePhrase(generator: Generator): string {
  return pick(generator, words.nonsense).replace(/\{d\}/g, () => pick(generator, words.digits));
}

function relationSlots(relation: Relation, generator: Generator): Slots {
  const inverse = oppositeRelation[relation];
  return {
    r: synonym(generator, words.relationWords[relation]),
    i: synonym(generator, words.relationWords[inverse]),
    p: words.sideWords[relation].phrase,
    q: words.sideWords[inverse].phrase,
  };
}

/** "a small red circle", "three stars that are red". An empty `number` leaves the number out. */
function nounPhrase(mention: Mention, generator: Generator, number?: string): string {
  const { colour, size } = mention;
  const named = isNamed(size);
  const group = colour ? (named ? "both" : "coloured") : named ? "sized" : "plain";
  const frame = pick(generator, words.nounFrames[group][mention.count === 1 ? "one" : "many"]);
  return fill(frame, {
    n: noun(mention, generator),
    c: colour ? synonym(generator, words.colourWords[colour]) : "",
    s: named ? synonym(generator, words.sizeWords[size]) : "",
    k: number ?? numberWord(mention, generator),
  }).trim();
}

/** "small red circle", "3 stars". */
function bareNoun(mention: Mention, generator: Generator): string {
  const { colour, size, count } = mention;
  const parts = [
    ...(count === 1 ? [] : [numberWord(mention, generator)]),
    ...(isNamed(size) ? [synonym(generator, words.sizeWords[size])] : []),
    ...(colour ? [synonym(generator, words.colourWords[colour])] : []),
    noun(mention, generator),
  ];
  return parts.join(" ");
}

function noun({ shape, count }: Mention, generator: Generator): string {
  return synonym(generator, (shape ? words.nouns[shape] : words.vagueNouns)[count === 1 ? "one" : "many"]);
}

function numberWord({ count }: Mention, generator: Generator): string {
  if (count === null) return synonym(generator, words.someWords);
  return (chance(generator, 0.75) ? words.numberWords[count] : null) ?? String(count);
}

function isNamed(size: Size | null): size is Exclude<Size, "medium"> {
  return size !== null && size !== "medium";
}
