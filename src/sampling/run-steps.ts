/** @file The sampling loop for all families and schedulers. */

import { throwIfAborted } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { DrawNoise, RunState, SchedulerRun } from "../schedulers/index.js";

/** Returns the model's output, after guidance, for a scaled sample. */
export type Predict = (input: FloatTensor, timestep: number) => Promise<FloatTensor>;

export interface RunStepsOptions {
  readonly predict: Predict;
  /** Called by schedulers that add noise. */
  readonly drawNoise: DrawNoise;
  /** Called with the state after each step; returns the state to continue from. */
  readonly afterStep?: (state: RunState) => RunState;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Continues a run from `state` to its end.
 *
 * @throws InterruptedError before the next evaluation if the signal is aborted
 */
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
