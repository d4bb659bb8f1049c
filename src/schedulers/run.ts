/** @file Creates the run of any method from a list of steps and an update function. */

import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import { addNoise } from "./noisy-sample.js";
import type { DrawNoise, Evaluation, RunState, SchedulerRun, StartOptions } from "./scheduler.js";
import { weightedSum } from "./weighted-sum.js";

/** One evaluation of the model, with the noise levels before and after it. */
export interface Step {
  readonly timestep: number;
  readonly from: NoiseLevel;
  readonly to: NoiseLevel;
}

export interface StepFeeds extends RunState {
  readonly step: Step;
  readonly output: FloatTensor;
  readonly drawNoise: DrawNoise;
}

/** Computes the next sample and the history for later steps (default: none). */
export type Update = (feeds: StepFeeds) => { readonly sample: FloatTensor; readonly history?: readonly Evaluation[] };

export function createRun(steps: readonly Step[], update: Update, initialScale = 1): SchedulerRun {
  const levels = [...steps.map(({ from }) => from), ...steps.slice(-1).map(({ to }) => to)];
  return {
    timesteps: steps.map(({ timestep }) => timestep),
    levels,
    initialScale,
    begin: (sample) => ({ index: 0, sample, history: [] }),
    modelInput({ index, sample }) {
      const { variance } = at(levels, index);
      return variance === 1 ? sample : weightedSum([1 / Math.sqrt(variance), sample]);
    },
    step(state, output, drawNoise) {
      const { sample, history = [] } = update({ ...state, step: at(steps, state.index), output, drawNoise });
      return { index: state.index + 1, sample, history };
    },
    addNoise: (clean, noise, index = 0) => addNoise(at(levels, index), clean, noise),
  };
}

/** The steps without the first `from`. */
export function stepsFrom(steps: readonly Step[], { from = 0 }: StartOptions = {}): readonly Step[] {
  if (Number.isInteger(from) && from >= 0 && from <= steps.length) return steps.slice(from);
  throw new UsageError(`from must be an integer between 0 and the number of steps, ${steps.length}, not ${from}`);
}

/** The steps in reverse, from clean to noisy. */
export function inverted(steps: readonly Step[]): readonly Step[] {
  return steps.map(({ timestep, from, to }) => ({ timestep, from: to, to: from })).reverse();
}
