/** @file The interface of schedulers: runs for sampling and inversion, and the noise schedule of training. */

import type { FloatTensor } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import type { NoiseSchedule } from "./noisy-sample.js";

export interface Scheduler extends NoiseSchedule {
  /** Its name in user interfaces. */
  readonly title: string;
  /** From noise to a clean sample in `steps` steps. */
  start(steps: number, options?: StartOptions): SchedulerRun;
  /**
   * The steps of `start(steps, options)` backwards, from a clean sample to noise. Each is a first-order step and evaluates the
   * model at the timestep of the step that it inverts, as DDIM inversion does. UsageError where steps add noise.
   */
  startInverse(steps: number, options?: StartOptions): SchedulerRun;
}

export interface StartOptions {
  /** The number of steps to skip at the noisy end, as in image to image (default 0; skipping all gives an empty run). */
  readonly from?: number;
}

/** Unit normal noise of the sample's shape, new at each call. */
export type DrawNoise = () => FloatTensor;

/** The model's output at a sample. */
export interface Evaluation {
  readonly sample: FloatTensor;
  readonly output: FloatTensor;
}

/** A point of a run. States are never changed, so any of them can be kept and resumed. */
export interface RunState {
  /** The number of evaluations done. */
  readonly index: number;
  readonly sample: FloatTensor;
  /** Earlier evaluations that multistep methods use in the next steps, latest first. */
  readonly history: readonly Evaluation[];
}

/**
 * A sequence of steps between noise levels:
 *
 *     let state = run.begin(sample);
 *     for (const timestep of run.timesteps) state = run.step(state, await model(run.modelInput(state), timestep), drawNoise);
 *
 * The first sample is `initialScale * noise`, or `run.addNoise(clean, noise)`. The number of model evaluations is
 * `timesteps.length`, which may differ from the number of steps asked for.
 */
export interface SchedulerRun {
  /** The timestep that the model is given at each evaluation. */
  readonly timesteps: readonly number[];
  /** Noise levels of the sample: before each evaluation and after the last. */
  readonly levels: readonly NoiseLevel[];
  /** Standard deviation of pure noise to start from. */
  readonly initialScale: number;
  begin(sample: FloatTensor): RunState;
  /** The state's sample, scaled for the model (diffusers' scale_model_input). */
  modelInput(state: RunState): FloatTensor;
  /** The state after one more evaluation. Stochastic methods draw noise once per step, the others never. */
  step(state: RunState, output: FloatTensor, drawNoise: DrawNoise): RunState;
  /** The clean sample with noise at `levels[index]` (default 0); `noise` of one row is shared by all rows of `clean`. */
  addNoise(clean: FloatTensor, noise: FloatTensor, index?: number): FloatTensor;
}
