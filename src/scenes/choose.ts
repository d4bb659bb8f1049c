/** @file Random choices among items. */

import { at } from "../core/lists.js";
import type { Generator } from "../core/random.js";

/** One of the items, each as likely; the list must not be empty. */
export function pick<T>(generator: Generator, items: readonly T[]): T {
  return at(items, generator.integer(items.length));
}

/** True with this probability. */
export function chance(generator: Generator, probability: number): boolean {
  return generator.uniform() < probability;
}

/** Uniform in [low, high). */
export function between(generator: Generator, low: number, high: number): number {
  return low + (high - low) * generator.uniform();
}
