/**
 * @file Captions in five registers, as real captions come: the more careful, the more is said and the more of it is true.
 *
 * A register is a style of its own, so that a reader can tell how far to trust a caption, and a reliability: what of the scene
 * its authors leave out or get wrong. `caption` writes as they would; `phrase` says everything asked for in their style, which
 * is how a prompt is written.
 *
 * | register  | style                           | leaves out                                | gets wrong                           |
 * | --------- | ------------------------------- | ----------------------------------------- | ------------------------------------ |
 * | careful   | sentences                       | nothing that its category is about        | nothing                              |
 * | catalogue | alt, and the word "catalogue"   | nothing that its category is about        | nothing                              |
 * | alt       | labels without articles         | now and then a colour, relation, count, object | whose colour is whose, sides, counts, and shapes and colours that resemble each other, nearly as often as not |
 * | tags      | a list in any order             | a fifth of colours and relations; 4 of 10 lists do not say which colour is whose | nothing |
 * | noisy     | hedged                          | as alt, and a fifth of the shapes         | a quarter of what is said; 3 of 20 are about nothing |
 *
 * Labels of the web are wrong in the same places as image models: in binding, place and number, and between things
 * that look alike (`mistakes.alt`).
 */

import { UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";
import { chance, pick } from "./choose.js";
import { type Description, describe, type Mention } from "./describe.js";
import { altPhrase, carefulPhrase, cataloguePhrase, noisyPhrase, nonsensePhrase, tagPhrase } from "./grammar.js";
import { type Colour, colours, oppositeRelation, type Scene, type Shape, shapes } from "./scene.js";
import { isHeldOutColour, isHeldOutPair } from "./splits.js";

export { vocabulary } from "./words.js";

export const registers = ["careful", "catalogue", "alt", "tags", "noisy"] as const;
export type Register = (typeof registers)[number];

/** The words of the longest caption. */
export const maxCaptionWords = 24;

const writers: Readonly<Record<Register, (scene: Scene, generator: Generator) => string>> = {
  careful: carefulCaption,
  catalogue: (scene, generator) => cataloguePhrase(describe(scene, generator), generator),
  alt: altText,
  tags: tagList,
  noisy: noisyCaption,
};

const phrasers: Readonly<Record<Register, (description: Description, generator: Generator) => string>> = {
  careful: carefulPhrase,
  catalogue: cataloguePhrase,
  alt: altPhrase,
  tags: tagPhrase,
  noisy: noisyPhrase,
};

/** What somebody of this register writes under the scene: lower case, at most 24 words of `vocabulary`. */
export function caption(scene: Scene, register: Register, generator: Generator): string {
  return writers[register](scene, generator);
}

/** All of the description in a register's style. */
export function phrase(description: Description, register: Register, generator: Generator): string {
  for (const { count } of description.mentions) {
    if (count !== null && (count < 1 || count > 5)) throw new UsageError(`captions count from 1 to 5, not ${count}`);
  }
  return phrasers[register](description, generator);
}

/** True, and complete in what the category is about. */
export function carefulCaption(scene: Scene, generator: Generator): string {
  return carefulPhrase(describe(scene, generator), generator);
}

/** Names what is there, and often gets wrong how it hangs together. */
export function altText(scene: Scene, generator: Generator): string {
  const told = describe(scene, generator);
  const thin = chance(generator, 0.3) ? thinned(told, generator) : told;
  return altPhrase(mistaken(thin, mistakes.alt, generator), generator);
}

/** True words, but often not which belongs to which. */
export function tagList(scene: Scene, generator: Generator): string {
  const whole = describe(scene, generator);
  const mentions = whole.mentions.map((mention) => ({
    ...mention,
    colour: chance(generator, 0.2) ? null : mention.colour,
  }));
  const relation = chance(generator, 0.2) ? null : whole.relation;
  return tagPhrase({ ...whole, mentions, relation }, generator, chance(generator, 0.6));
}

/** Partly wrong, partly vague, sometimes about nothing. */
export function noisyCaption(scene: Scene, generator: Generator): string {
  if (chance(generator, 0.15)) return nonsensePhrase(generator);
  return noisyPhrase(
    vague(mistaken(thinned(describe(scene, generator), generator), mistakes.noisy, generator), generator),
    generator,
  );
}

function thinned(description: Description, generator: Generator): Description {
  const lose = (): boolean => chance(generator, 1 / 3);
  const kept = chance(generator, 0.25) ? 1 : description.mentions.length;
  // Who names one object of two names either, and then can say nothing of where it lies.
  const named = kept === description.mentions.length ? description.mentions : [pick(generator, description.mentions)];
  return {
    ...description,
    relation: lose() || kept === 1 ? null : description.relation,
    mentions: named.map((mention) => ({
      ...mention,
      colour: lose() ? null : mention.colour,
      count: mention.count !== 1 && lose() ? null : mention.count,
    })),
  };
}

/** How often each kind of fact is wrong where it is said. */
interface Mistakes {
  readonly count: number;
  readonly shape: number;
  readonly colour: number;
  readonly relation: number;
  /** Every shape of the caption goes by the name of its look-alike. */
  readonly lookAlike: number;
  /** Every colour of the caption goes by the name of its neighbour. */
  readonly neighbour: number;
  /** Two colours have changed places. */
  readonly swap: number;
}

const mistakes: Readonly<Record<"alt" | "noisy", Mistakes>> = {
  alt: { count: 0.55, shape: 0.08, colour: 0.08, relation: 0.44, lookAlike: 0.47, neighbour: 0.47, swap: 0.5 },
  noisy: { count: 0.25, shape: 0.25, colour: 0.25, relation: 0.25, lookAlike: 0, neighbour: 0, swap: 0 },
};

/** Shapes that a careless eye takes for each other. */
const lookAlikes: Readonly<Record<Shape, Shape>> = both([
  ["circle", "ring"],
  ["square", "diamond"],
  ["star", "cross"],
  ["heart", "triangle"],
]);

/** Colours that a careless eye takes for each other. */
const neighbours: Readonly<Record<Colour, Colour>> = both([
  ["red", "pink"],
  ["yellow", "white"],
  ["green", "black"],
  ["cyan", "blue"],
]);

function both<T extends string>(pairs: readonly (readonly [T, T])[]): Record<T, T> {
  return Object.fromEntries(pairs.flatMap(([a, b]) => [[a, b] as const, [b, a] as const])) as Record<T, T>;
}

/** Gets facts wrong; what is put in their place is never a held-out combination. */
function mistaken(description: Description, rates: Mistakes, generator: Generator): Description {
  const mentions = [...misread(description.mentions, rates, generator)];
  mentions.forEach((mention, index) => {
    const { count } = mention;
    const changed: Mention = {
      ...mention,
      count: count !== null && count > 1 && chance(generator, rates.count) ? wrongCount(count, generator) : count,
      shape: chance(generator, rates.shape) ? wrongShape(mentions, index, generator) : mention.shape,
    };
    mentions[index] = {
      ...changed,
      colour: mention.colour && chance(generator, rates.colour) ? wrongColour(changed, generator) : mention.colour,
    };
  });
  const { relation } = description;
  return {
    ...description,
    mentions: chance(generator, rates.swap) ? swapped(mentions) : mentions,
    relation: relation && chance(generator, rates.relation) ? oppositeRelation[relation] : relation,
  };
}

/** Shapes and colours under the names of those that they resemble. */
function misread(mentions: readonly Mention[], rates: Mistakes, generator: Generator): readonly Mention[] {
  const lookAlike = chance(generator, rates.lookAlike);
  const neighbour = chance(generator, rates.neighbour);
  const shaped = mentions.map((mention) => ({ ...mention, shape: mention.shape && lookAlikes[mention.shape] }));
  const read = lookAlike && mayBeSaid(shaped) ? shaped : mentions;
  const coloured = read.map((mention) => ({ ...mention, colour: mention.colour && neighbours[mention.colour] }));
  return neighbour && mayBeSaid(coloured) ? coloured : read;
}

/** Colours exchanged, where that makes no held-out combination. */
function swapped(mentions: readonly Mention[]): readonly Mention[] {
  if (mentions.length !== 2) return mentions;
  const [first, second] = mentions;
  const exchanged = [
    { ...first, colour: second.colour },
    { ...second, colour: first.colour },
  ];
  return mayBeSaid(exchanged) ? exchanged : mentions;
}

/** Whether no held-out combination is named. */
function mayBeSaid(mentions: readonly Mention[]): boolean {
  const known = mentions.flatMap(({ shape, colour }) => (shape && colour ? [{ shape, colour }] : []));
  const named = mentions.flatMap(({ shape }) => shape ?? []);
  return (
    !known.some(({ shape, colour }) => isHeldOutColour(colour, shape)) &&
    !named.some((shape, index) => named.slice(0, index).some((other) => isHeldOutPair(shape, other)))
  );
}

function wrongCount(count: number, generator: Generator): number {
  return count + (chance(generator, 0.5) ? 1 : -1);
}

function wrongShape(mentions: readonly Mention[], index: number, generator: Generator): Shape | null {
  const shape = mentions[index]?.shape ?? null;
  const colour = mentions[index]?.colour ?? null;
  const others = mentions.filter((_, i) => i !== index).flatMap((other) => other.shape ?? []);
  const possible = shapes.filter(
    (candidate) =>
      candidate !== shape &&
      !(colour && isHeldOutColour(colour, candidate)) &&
      others.every((other) => other !== candidate && !isHeldOutPair(other, candidate)),
  );
  return possible.length > 0 ? pick(generator, possible) : shape;
}

function wrongColour({ shape, colour }: Mention, generator: Generator): Colour {
  return pick(
    generator,
    colours.filter((candidate) => candidate !== colour && !(shape && isHeldOutColour(candidate, shape))),
  );
}

function vague(description: Description, generator: Generator): Description {
  const mentions = description.mentions.map((mention) =>
    chance(generator, 0.2) ? { ...mention, shape: null } : mention,
  );
  return { ...description, mentions };
}
