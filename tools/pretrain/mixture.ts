/** @file The mixture of scenes and captions that the bundled pipeline is trained on. */

import type { Generator } from "#softrepa/core/random.js";
import { caption, type Register } from "#softrepa/scenes/caption.js";
import { chance } from "#softrepa/scenes/choose.js";
import { cropped, isCropped, sampleScene } from "#softrepa/scenes/sample-scene.js";
import type { Category, Scene } from "#softrepa/scenes/scene.js";
import { promptLength } from "./configs.js";

type Shares<K extends string> = Readonly<Record<K, number>>;

/** Shares of the scenes: what is learned last, which colour is whose and what lies where, is shown most. */
const categoryShares: Shares<Category> = {
  single: 0.12,
  two: 0.14,
  counting: 0.18,
  colours: 0.16,
  position: 0.2,
  attribution: 0.2,
};

/** Pictures cut by a careless frame, as the web's are (SDXL, arXiv 2307.01952, section 2.2); labels stand under them, or nothing of use. */
const croppedShare = 0.25;
const croppedShares: Shares<Register> = { careful: 0, catalogue: 0, alt: 0.95, tags: 0, noisy: 0.05 };
/** Whole pictures: labels are under some of these as well, so that of all labels' pictures five of eight are cut. */
const wholeShares: Shares<Register> = { careful: 0.43, catalogue: 0.32, alt: 0.19, tags: 0.04, noisy: 0.02 };

export function drawTrainingScene(random: Generator): Scene {
  const scene = sampleScene("train", random, drawFrom(categoryShares, random));
  return chance(random, croppedShare) ? cropped(scene, random) : scene;
}

/** A caption in one of the registers that fits the text encoders. */
export function drawCaption(scene: Scene, random: Generator): string {
  const register = drawFrom(isCropped(scene) ? croppedShares : wholeShares, random);
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
