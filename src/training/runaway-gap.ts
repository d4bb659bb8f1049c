/**
 * @file Warns of a known flaw of SoftREPA: the repulsion from mismatched captions is unbounded, so the error gap may grow while
 * matched captions get worse (arXiv 2605.30038; counting on SD3 falls from 0.56 to 0.29).
 */

import { at } from "../core/lists.js";

/** The values of one validation that the warning depends on. */
export interface GapSample {
  readonly step: number;
  /** Mean error with mismatched captions minus mean error with matched ones. */
  readonly gap: number;
  /** Mean error with matched captions. */
  readonly matched: number;
}

/** Consecutive validations with a growing gap and growing matched errors. */
const consecutive = 3;
/** Relative increase of the matched error over its minimum. */
const minIncrease = 0.01;

/**
 * Returns a warning if both the gap and the matched error grew over the last validations and the matched error is now 1% above
 * its minimum; otherwise undefined. A model with larger matched errors generates worse images: the best signal without an image
 * metric.
 */
export function runawayGapWarning(history: readonly GapSample[]): string | undefined {
  if (history.length < consecutive) return undefined;
  const recent = history.slice(-consecutive);
  const rises = (of: (sample: GapSample) => number) =>
    recent.every((sample, index) => index === 0 || of(sample) > of(at(recent, index - 1)));
  if (!rises(({ gap }) => gap) || !rises(({ matched }) => matched)) return undefined;
  const [first, last] = [at(recent, 0), at(recent, consecutive - 1)];
  const best = history.reduce((min, sample) => (sample.matched < min.matched ? sample : min));
  if (last.matched < best.matched * (1 + minIncrease)) return undefined;
  return (
    `step ${last.step}: errors with mismatched captions grow (gap ${first.gap.toFixed(4)} -> ${last.gap.toFixed(4)}), but so do errors ` +
    `with matched captions (${last.matched.toFixed(4)}, minimum ${best.matched.toFixed(4)} at step ${best.step}): ` +
    "check the samples, and prefer an earlier checkpoint"
  );
}
