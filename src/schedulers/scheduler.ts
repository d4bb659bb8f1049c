/** @file The interface of schedulers: sampling and inversion runs, and the noise schedule of training. */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import type { NoiseSchedule } from "./noisy-sample.js";

export interface Scheduler extends NoiseSchedule {
  /** Display name. */
  readonly title: string;
  /** A run from noise to a clean sample in `steps` steps. Throws a UsageError for an invalid number of steps. */
  start(steps: number, options?: StartOptions): SchedulerRun;
  /**
   * The steps of `start(steps, options)` in reverse, from a clean sample to noise. As in DDIM inversion, each is a first-order step and
   * evaluates the model at the timestep of the step that it inverts. Throws a UsageError if the scheduler adds noise.
   */
  startInverse(steps: number, options?: StartOptions): SchedulerRun;
}

export interface StartOptions {
  /** Number of steps to skip at the noisy end, as in image-to-image (default 0; skipping all returns an empty run). */
  readonly from?: number;
}

/** Returns new standard normal noise of the sample's shape at each call. */
export type DrawNoise = () => FloatTensor;

/** The model's output at a sample. */
export interface Evaluation {
  readonly sample: FloatTensor;
  readonly output: FloatTensor;
}

/** The state of a run between two steps. States are immutable, so a run can resume from any of them. */
export interface RunState {
  /** Number of finished evaluations. */
  readonly index: number;
  readonly sample: FloatTensor;
  /** Earlier evaluations that multistep methods use, latest first. */
  readonly history: readonly Evaluation[];
}

/**
 * A sequence of steps between noise levels:
 *
 *     let state = run.begin(sample);
 *     for (const timestep of run.timesteps) state = run.step(state, await model(run.modelInput(state), timestep), drawNoise);
 *
 * The first sample is `initialScale * noise`, or `run.addNoise(clean, noise)`. The number of model evaluations is
 * `timesteps.length`, which may differ from the requested number of steps.
 */
export interface SchedulerRun {
  /** The timestep of each evaluation. */
  readonly timesteps: readonly number[];
  /** Noise levels of the sample: before each evaluation and after the last. */
  readonly levels: readonly NoiseLevel[];
  /** Standard deviation of the initial noise. */
  readonly initialScale: number;
  begin(sample: FloatTensor): RunState;
  /** The state's sample, scaled for the model (diffusers' `scale_model_input`). */
  modelInput(state: RunState): FloatTensor;
  /** The state after one more evaluation. Stochastic methods call `drawNoise` once per step, others never. */
  step(state: RunState, output: FloatTensor, drawNoise: DrawNoise): RunState;
  /** The noisy sample at `levels[index]` (default 0); `noise` is [1 or N, ...] for `clean` [N, ...]. */
  addNoise(clean: FloatTensor, noise: FloatTensor, index?: number): FloatTensor;
}
