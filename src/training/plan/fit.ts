/** @file Chooses the execution plan and the size of the encoding cache by the available memory. */

import { formatByteSize } from "../../core/byte-size.js";
import { InputError } from "../../core/errors.js";
import { pairsPerGroup } from "../../objectives/candidates.js";
import type { ExecutionPlan } from "../../objectives/execution-plan.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import type { Engine } from "../../runtime/engine.js";
import { defaultCacheBytes, type MemoryPlan, planMemory, type RunSizes } from "./memory.js";
import { type PlanConstraints, possiblePlans } from "./possible-plans.js";

export interface FittedRun {
  readonly plan: ExecutionPlan;
  readonly cacheBytes: number;
  readonly memory: MemoryPlan;
}

/** Constraints on the plan. */
export interface RunConstraints extends Pick<PlanConstraints, "pairsPerRun" | "checkpoints" | "repack"> {
  /** Maximum memory of the process in bytes. */
  readonly limit?: number | undefined;
}

/** The current state of the machine, in bytes. */
export interface MachineMemory {
  /** Resident memory of this process. */
  readonly resident: number;
  /** Memory that the system can still provide. */
  readonly available: number;
}

/** Share of the available memory; the rest is for other programs and errors of the estimate. */
const availableShare = 0.5;
/** Share of a limit that is reserved for encodings, since encoding captions repeatedly also costs time. */
const encodingShare = 1 / 8;

export function machineMemory(): MachineMemory {
  return { resident: process.memoryUsage().rss, available: process.availableMemory() };
}

/** The default for additional memory of the process. */
export function memoryBudget({ available }: MachineMemory): number {
  return availableShare * available;
}

/**
 * Returns the fastest plan that satisfies the constraints and fits into memory, in the order of `possiblePlans`; the encoding cache
 * gets the rest. Without a limit, the budget is half of the available memory, and if nothing fits, the last plan is used. The memory of
 * providers other than the CPU is unknown, so with "auto" they use activation checkpointing.
 *
 * @throws InputError if nothing fits into the limit; the message states the required memory
 */
export function fitRun(
  pipeline: DiffusionPipeline,
  sizes: Omit<RunSizes, "plan" | "cacheBytes">,
  constraints: RunConstraints,
  machine: MachineMemory = machineMemory(),
): FittedRun {
  const fit = (plan: ExecutionPlan, cacheBytes: number): FittedRun => {
    const memory = planMemory(pipeline, { ...sizes, plan, cacheBytes }, machine.resident);
    return { plan, cacheBytes, memory };
  };
  const { limit, pairsPerRun, checkpoints, repack } = constraints;
  const isMemoryUnknown = pipeline.engine.provider !== "cpu";
  const side = sizes.resolution / pipeline.vaeScaleFactor;
  const plans = possiblePlans({
    ...{ pairs: pairsPerGroup(sizes.objective.candidates, sizes.batch), pairsPerRun, limited: limit !== undefined },
    tokensPerPair: pipeline.tokensPerPair([pipeline.latentChannels, side, side]),
    precision: pipeline.engine.precision,
    checkpoints: checkpoints === "auto" && isMemoryUnknown ? "always" : checkpoints,
    repack: repack === "auto" && !benefitsFromRepacking(pipeline.engine) ? "never" : repack,
  });
  if (limit !== undefined) return fitLimit(plans, fit, sizes.resolution, limit);
  const budget = machine.resident + memoryBudget(machine);
  let fitted: FittedRun | undefined;
  for (const plan of plans) {
    fitted = fit(plan, defaultCacheBytes);
    if (fitted.memory.total <= budget) break;
  }
  if (fitted === undefined) throw new InputError("a batch needs at least one pair");
  return fitted;
}

/** OpenVINO already makes its own copies; in fp32, more would save 3% of the time of a Stable Diffusion 1.5 row for 4.4 GB. */
function benefitsFromRepacking({ library, repackingTarget }: Engine): boolean {
  return library === "onnxruntime" && repackingTarget !== null;
}

function fitLimit(
  plans: readonly ExecutionPlan[],
  fit: (plan: ExecutionPlan, cacheBytes: number) => FittedRun,
  resolution: number,
  limit: number,
): FittedRun {
  const withoutCache = plans.map((plan) => fit(plan, 0));
  const fits = (fitted: FittedRun) => fitted.memory.total <= limit;
  // Prefer plans that leave room for encodings; plans with checkpointing and without copies need not.
  const leavesRoomForEncodings = (fitted: FittedRun) =>
    fits(fitted.plan.checkpoints && !fitted.plan.repackWeights ? fitted : fit(fitted.plan, encodingShare * limit));
  const found = withoutCache.find(leavesRoomForEncodings) ?? withoutCache.find(fits);
  if (found !== undefined) return fit(found.plan, Math.min(defaultCacheBytes, limit - found.memory.total));
  const smallest = withoutCache.reduce((found, each) => (each.memory.total < found.memory.total ? each : found));
  const settings = `with ${describePlan(smallest.plan)} and no cached encodings`;
  const instead = [
    ...(plans.every(({ checkpoints }) => !checkpoints) ? ["`checkpoints` always"] : []),
    ...(plans.every(({ repackWeights }) => repackWeights) ? ["`repack` never"] : []),
  ];
  throw new InputError(
    `\`memory\` ${formatByteSize(limit)} is too little: at ${resolution} x ${resolution} pixels this run needs at least ${formatByteSize(smallest.memory.total)}, ${settings}; use more, a smaller \`resolution\`${instead.map((option) => `, or ${option}`).join("")}`,
  );
}

/** E.g. "2 pairs per run, activation checkpointing, repacked weights". */
export function describePlan({ pairsPerRun, checkpoints, repackWeights }: ExecutionPlan): string {
  const pairs = `${pairsPerRun} ${pairsPerRun === 1 ? "pair" : "pairs"} per run`;
  return `${pairs}, ${checkpoints ? "activation checkpointing" : "activations kept"}${repackWeights ? ", repacked weights" : ""}`;
}
