/** @file What every noise schedule offers: to samplers a way from noise to picture, to training the way there. */

import type { FloatTensor } from "../core/tensor.js";

export interface Scheduler {
  /** Its name as image galleries know it. */
  readonly title: string;
  /** Training draws whole timesteps from 0 up to, not including, this; larger is noisier. */
  readonly trainTimesteps: number;
  /** A way from noise to picture in `steps` steps. */
  start(steps: number): SchedulerRun;
  /** Training's noised sample at `timestep`; a `noise` of one row is shared by all rows of `clean`. */
  addNoise(clean: FloatTensor, noise: FloatTensor, timestep: number): FloatTensor;
}

/** Unit normal noise of the sample's shape, new at each call. */
export type DrawNoise = () => FloatTensor;

/**
 * One way from noise to picture:
 *
 *     sample = initialScale * noise
 *     for index of timesteps: sample = step(index, sample, model(scaleInput(sample, index), timesteps[index]), drawNoise)
 *
 * Multi-step methods remember model outputs here, so `step` is called once for each index, in order; no tensor handed in is
 * changed. The number of model evaluations is `timesteps.length`, which may differ from the number of steps asked for.
 */
export interface SchedulerRun {
  /** What the model is told at each evaluation. */
  readonly timesteps: readonly number[];
  /** Noise levels before each step and after the last, of schedulers that count in them. */
  readonly sigmas?: readonly number[];
  /** Standard deviation of the sample that the run starts from. */
  readonly initialScale: number;
  /** The sample as the model wants to see it. */
  scaleInput(sample: FloatTensor, index: number): FloatTensor;
  /**
   * The sample after evaluation `index`; after the last one it is the picture's latent. Stochastic methods draw noise once
   * a step, the others never.
   */
  step(index: number, sample: FloatTensor, modelOutput: FloatTensor, drawNoise: DrawNoise): FloatTensor;
}
