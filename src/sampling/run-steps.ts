/** @file The loop of sampling: the model along a scheduler's run, the same for every family, scheduler and method. */

import { stopIfAsked } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { DrawNoise, RunState, SchedulerRun } from "../schedulers/index.js";

/** The model's output at a sample that is scaled as it wants it, with the guidance that it is run with. */
export type Predict = (input: FloatTensor, timestep: number) => Promise<FloatTensor>;

export interface RunStepsOptions {
  readonly predict: Predict;
  /** For schedulers that add noise on the way. */
  readonly drawNoise: DrawNoise;
  /** Sees the state after each step; the loop goes on from what it returns. */
  readonly afterStep?: (state: RunState) => RunState;
  readonly signal?: AbortSignal | undefined;
}

/** From `state`, a run's first or any later one, to the run's last. */
export async function runSteps(
  run: SchedulerRun,
  state: RunState,
  { predict, drawNoise, afterStep, signal }: RunStepsOptions,
): Promise<RunState> {
  let current = state;
  for (const timestep of run.timesteps.slice(state.index)) {
    stopIfAsked(signal);
    const output = await predict(run.modelInput(current), timestep);
    const next = run.step(current, output, drawNoise);
    current = afterStep?.(next) ?? next;
  }
  return current;
}
