/** @file What every scheduler offers: to samplers ways between noise and a clean sample, to training the noise that it follows. */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import type { NoiseSchedule } from "./noisy-sample.js";

export interface Scheduler extends NoiseSchedule {
  /** Its name as image galleries know it. */
  readonly title: string;
  /** From noise to a clean sample in `steps` steps. */
  start(steps: number, options?: StartOptions): SchedulerRun;
  /**
   * The steps of `start(steps, options)` backwards, from a clean sample to noise: each is of first order, and evaluates the model
   * at the timestep of the step that it inverts, as DDIM inversion does. UsageError where steps add noise.
   */
  startInverse(steps: number, options?: StartOptions): SchedulerRun;
}

export interface StartOptions {
  /** How many of the first, noisiest steps are left out, as in image to image (default 0; all of them leave an empty run). */
  readonly from?: number;
}

/** Unit normal noise of the sample's shape, new at each call. */
export type DrawNoise = () => FloatTensor;

/** The model's output at a sample. */
export interface Evaluation {
  readonly sample: FloatTensor;
  readonly output: FloatTensor;
}

/** Where a run is, in values that are never changed: whoever keeps a state can go on from it again. */
export interface RunState {
  /** Evaluations that are done. */
  readonly index: number;
  readonly sample: FloatTensor;
  /** Earlier evaluations that the next steps of a multistep method look back at, the latest first. */
  readonly history: readonly Evaluation[];
}

/**
 * One way along the noise levels:
 *
 *     let state = run.begin(sample);
 *     for (const timestep of run.timesteps) state = run.step(state, await model(run.modelInput(state), timestep), drawNoise);
 *
 * The sample to begin with is `initialScale * noise`, or `run.addNoise(clean, noise)`. The number of model evaluations is
 * `timesteps.length`, which may differ from the number of steps asked for.
 */
export interface SchedulerRun {
  /** What the model is told at each evaluation. */
  readonly timesteps: readonly number[];
  /** Of the sample before each evaluation, and after the last one. */
  readonly levels: readonly NoiseLevel[];
  /** Standard deviation of pure noise to start from. */
  readonly initialScale: number;
  begin(sample: FloatTensor): RunState;
  /** The state's sample as the model is given it. */
  modelInput(state: RunState): FloatTensor;
  /** The state after one more evaluation. Stochastic methods draw noise once a step, the others never. */
  step(state: RunState, output: FloatTensor, drawNoise: DrawNoise): RunState;
  /** The clean sample with noise at `levels[index]` (default 0); `noise` of one row is shared by all rows of `clean`. */
  addNoise(clean: FloatTensor, noise: FloatTensor, index?: number): FloatTensor;
}
