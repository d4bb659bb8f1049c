/** @file The sampling loop, for every family, scheduler and method. */

import { throwIfAborted } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { DrawNoise, RunState, SchedulerRun } from "../schedulers/index.js";

/** The model's output, after guidance, at a scaled sample. */
export type Predict = (input: FloatTensor, timestep: number) => Promise<FloatTensor>;

export interface RunStepsOptions {
  readonly predict: Predict;
  /** For schedulers that add noise on the way. */
  readonly drawNoise: DrawNoise;
  /** Called with the state after each step; returns the state to continue from. */
  readonly afterStep?: (state: RunState) => RunState;
  readonly signal?: AbortSignal | undefined;
}

/** Continues a run from `state` to its end. InterruptedError before an evaluation once `signal` is aborted. */
export async function runSteps(
  run: SchedulerRun,
  state: RunState,
  { predict, drawNoise, afterStep, signal }: RunStepsOptions,
): Promise<RunState> {
  let current = state;
  for (const timestep of run.timesteps.slice(state.index)) {
    throwIfAborted(signal);
    const output = await predict(run.modelInput(current), timestep);
    const next = run.step(current, output, drawNoise);
    current = afterStep?.(next) ?? next;
  }
  return current;
}
