/** @file Noise schedules for sampling and training. */

export { addFlowNoise, eulerStep, type FlowMatchEuler, type FlowSchedule, flowMatchEuler } from "./flow-match-euler.js";
export type { Scheduler, SchedulerRun } from "./scheduler.js";
