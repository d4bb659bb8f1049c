/** @file Prompts to measure with: what training has never shown, evenly over the six categories. */

import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { phrase, type Register } from "./caption.js";
import { describe, essentials } from "./describe.js";
import { sampleScene } from "./sample-scene.js";
import { type Category, categories, type Scene } from "./scene.js";
import { type Expectation, expectationOf } from "./verify.js";

export interface Prompt {
  readonly prompt: string;
  readonly category: Category;
  readonly expectation: Expectation;
  /** A scene that fulfils it. */
  readonly scene: Scene;
}

/** How often another scene and wording are tried before a prompt is given twice: the shortest categories have few. */
const attempts = 40;

/**
 * `count` prompts, the categories in turn, so that any multiple of six is balanced and a longer list begins with the shorter one.
 *
 * Each names a held-out combination, except those of `single`, which ask for one object of any colour, as GenEval's do, and so
 * name nothing that could be combined; their scene is held out all the same. Sizes are named now and then and not verified.
 * They say all that is asked, in the style of the register.
 */
export function heldOutPrompts(count: number, seed: number, register: Register = "careful"): Prompt[] {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new UsageError(`the number of prompts must be a whole number from 0, got ${count}`);
  const generator = new Generator(seed);
  const taken = new Set<string>();
  return Array.from({ length: count }, (_, index) => {
    const category = at(categories, index % categories.length);
    let prompt = samplePrompt(category, register, generator);
    for (let attempt = 0; attempt < attempts && taken.has(prompt.prompt); attempt++) {
      prompt = samplePrompt(category, register, generator);
    }
    taken.add(prompt.prompt);
    return prompt;
  });
}

function samplePrompt(category: Category, register: Register, generator: Generator): Prompt {
  const scene = sampleScene("held-out", generator, category);
  const asked = essentials(scene);
  const told = describe(scene, generator);
  const mentions = asked.mentions.map((mention, index) => ({ ...mention, size: told.mentions[index]?.size ?? null }));
  const prompt = phrase({ ...asked, mentions }, register, generator);
  return { prompt, category, expectation: expectationOf(scene), scene };
}
