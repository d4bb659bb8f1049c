/** @file Noise schedules for sampling and training. */

export { addFlowNoise, eulerStep, type FlowMatchEuler, type FlowSchedule, flowMatchEuler } from "./flow-match-euler.js";
export type { DrawNoise, Scheduler, SchedulerRun } from "./scheduler.js";
