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
 * | catalogue | alt, and a word for the collection | nothing that its category is about      | nothing                              |
 * | alt       | labels without articles         | now and then a colour, relation, count, object | nothing of what is shown; but the image is often cut off (`cropped`) |
 * | tags      | a list in any order             | a fifth of colours and relations; 4 of 10 lists do not say which colour is whose | nothing |
 * | noisy     | hedged                          | as alt, and a fifth of the shapes         | a quarter of what is said; 3 of 20 are about nothing |
 */

import { UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";
import { chance, pick } from "./choose.js";
import { type Description, describe, type Mention } from "./describe.js";
import { altPhrase, carefulPhrase, cataloguePhrase, noisyPhrase, nonsensePhrase, tagPhrase } from "./grammar.js";
import { type Colour, colours, type ObjectShape, oppositeRelation, type Scene, shapes } from "./scene.js";
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

/** Names what was there before somebody cut the image to size, and now and then less. */
export function altText(scene: Scene, generator: Generator): string {
  const told = describe(scene, generator);
  return altPhrase(chance(generator, 0.2) ? thinned(told, generator) : told, generator);
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
  return noisyPhrase(vague(mistaken(thinned(describe(scene, generator), generator), generator), generator), generator);
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

/** Gets a quarter of the facts wrong, one by one; what is put in their place is never a held-out combination. */
function mistaken(description: Description, generator: Generator): Description {
  const wrong = (): boolean => chance(generator, 0.25);
  const mentions = [...description.mentions];
  mentions.forEach((mention, index) => {
    const { count } = mention;
    const changed: Mention = {
      ...mention,
      count: count !== null && count > 1 && wrong() ? wrongCount(count, generator) : count,
      shape: wrong() ? wrongShape(mentions, index, generator) : mention.shape,
    };
    mentions[index] = {
      ...changed,
      colour: mention.colour && wrong() ? wrongColour(changed, generator) : mention.colour,
    };
  });
  const { relation } = description;
  return { ...description, mentions, relation: relation && wrong() ? oppositeRelation[relation] : relation };
}

function wrongCount(count: number, generator: Generator): number {
  return count + (chance(generator, 0.5) ? 1 : -1);
}

function wrongShape(mentions: readonly Mention[], index: number, generator: Generator): ObjectShape | null {
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
