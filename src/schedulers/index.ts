/** @file Noise schedules for sampling and training. */

export {
  type DiffusionSchedulerName,
  diffusionSchedulerNames,
  diffusionSchedulers,
  ownScheduler,
} from "./by-name.js";
export { type DiffusionConfig, parseDiffusionConfig } from "./diffusion-config.js";
export { addFlowNoise, eulerStep, type FlowMatchEuler, type FlowSchedule, flowMatchEuler } from "./flow-match-euler.js";
export { type NoiseSchedule, noiseSchedule } from "./noise-schedule.js";
export type { DrawNoise, Scheduler, SchedulerRun } from "./scheduler.js";
