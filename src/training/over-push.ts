/**
 * @file The early warning of SoftREPA's known flaw: the push away from wrong captions has no bound, so that it may go on after
 * the right captions are no longer explained better (arXiv 2605.30038; counting on SD3 falls from 0.56 to 0.29).
 */

import { at } from "../core/lists.js";

/** What the warning looks at in a validation. */
export interface PushSample {
  readonly step: number;
  /** Error under wrong captions minus error under the own one. */
  readonly gap: number;
  /** Error under the own caption. */
  readonly matched: number;
}

/** Validations in a row that must point the same way, and how much worse than at best the own captions must be explained. */
const inARow = 3;
const worseBy = 0.01;

/**
 * A warning where, over the last validations, the gap grew each time while the own captions were explained worse each time,
 * and are now 1% worse than at best; undefined otherwise. Samples of a model that explains its captions worse are worse:
 * this is what can be measured without a judge of pictures.
 */
export function overPushWarning(history: readonly PushSample[]): string | undefined {
  if (history.length < inARow) return undefined;
  const recent = history.slice(-inARow);
  const rises = (of: (sample: PushSample) => number) =>
    recent.every((sample, index) => index === 0 || of(sample) > of(at(recent, index - 1)));
  if (!rises(({ gap }) => gap) || !rises(({ matched }) => matched)) return undefined;
  const [first, now] = [at(recent, 0), at(recent, inARow - 1)];
  const best = history.reduce((least, sample) => (sample.matched < least.matched ? sample : least));
  if (now.matched < best.matched * (1 + worseBy)) return undefined;
  return (
    `step ${now.step}: the tokens push wrong captions away (gap ${first.gap.toFixed(4)} -> ${now.gap.toFixed(4)}) while the ` +
    `own captions are explained worse (error ${now.matched.toFixed(4)}, at best ${best.matched.toFixed(4)} at step ${best.step}): ` +
    "look at the samples, and prefer an earlier checkpoint"
  );
}
