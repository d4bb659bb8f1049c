/** @file Noise schedules for sampling and training. */

export {
  type DiffusionSchedulerName,
  diffusionSchedulerNames,
  diffusionSchedulers,
  schedulerFromConfig,
} from "./by-name.js";
export { type DiffusionConfig, parseDiffusionConfig } from "./diffusion-config.js";
export { firstOrderStep } from "./first-order.js";
export { flowMatchEuler } from "./flow-match-euler.js";
export type { NoiseLevel } from "./noise-level.js";
export { addNoise, type NoiseSchedule, type NoisySample, noisySample } from "./noisy-sample.js";
export {
  type EstimateWeights,
  estimate,
  type Parametrisation,
  type PredictionType,
  parametrisations,
} from "./parametrisation.js";
export type { DrawNoise, Evaluation, RunState, Scheduler, SchedulerRun, StartOptions } from "./scheduler.js";
export { type SignalToNoise, signalToNoise } from "./signal-to-noise.js";
export { weightedSum } from "./weighted-sum.js";
