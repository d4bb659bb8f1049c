/** @file The mixture of scenes and captions that the bundled pipeline is trained on. */

import type { Generator } from "../../core/random.js";
import { caption, type Register } from "../../world/caption.js";
import { drawScene } from "../../world/draw.js";
import type { Category, Scene } from "../../world/scene.js";
import { promptLength } from "./configs.js";

type Shares<K extends string> = Readonly<Record<K, number>>;

/**
 * Shares of the scenes. Where two shapes and two words meet, and half the labels have exchanged them, which word means which
 * shape is learned slowly; pictures of one shape say it plainly.
 */
const categoryShares: Shares<Category> = {
  single: 0.22,
  two: 0.18,
  counting: 0.14,
  colours: 0.26,
  position: 0.1,
  attribution: 0.1,
};

/** Two captions of five can be relied on. */
const registerShares: Shares<Register> = { careful: 0.25, catalogue: 0.15, alt: 0.42, tags: 0.08, noisy: 0.1 };

export interface Pair {
  readonly scene: Scene;
  readonly text: string;
}

export function drawPair(random: Generator): Pair {
  const scene = drawTrainingScene(random);
  return { scene, text: drawCaption(scene, random) };
}

export function drawTrainingScene(random: Generator): Scene {
  return drawScene("train", random, drawFrom(categoryShares, random));
}

/** A caption in one of the registers that fits the text encoders. */
export function drawCaption(scene: Scene, random: Generator): string {
  const register = drawFrom(registerShares, random);
  for (let attempt = 0; ; attempt++) {
    const text = caption(scene, register, random);
    if (attempt === 10 || countTokens(text) <= promptLength - 2) return text;
  }
}

/** Every word is one token, and so is each comma and colon. */
function countTokens(text: string): number {
  return text.match(/[a-z]+|[0-9]|[^\sa-z0-9]+/g)?.length ?? 0;
}

function drawFrom<K extends string>(shares: Shares<K>, random: Generator): K {
  const keys = Object.keys(shares) as K[];
  let left = random.uniform() * keys.reduce((sum, key) => sum + shares[key], 0);
  for (const key of keys) {
    left -= shares[key];
    if (left < 0) return key;
  }
  return keys[0];
}
