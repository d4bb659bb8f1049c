/** @file What a run chooses by its memory: pairs a run, whether activations are kept, and how many encodings it keeps. */

import { formatByteSize } from "../../core/byte-size.js";
import { InputError } from "../../core/errors.js";
import { pairsTogether } from "../../objectives/candidates.js";
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

/** What the plan must keep to. */
export interface RunConstraints extends Pick<PlanConstraints, "pairsPerRun" | "checkpoints" | "repack"> {
  /** Most bytes that the process may take. */
  readonly limit?: number | undefined;
}

/** The machine as it is now, in bytes. */
export interface MachineMemory {
  /** Of this process. */
  readonly resident: number;
  /** What the system could still give. */
  readonly available: number;
}

/** Of what is available; the rest is for other programs and for what grows beyond its forecast. */
const availableShare = 0.5;
/** Of a limit, for encodings before activations are kept: encoding the same captions again costs time too. */
const encodingShare = 1 / 8;

export function machineMemory(): MachineMemory {
  return { resident: process.memoryUsage().rss, available: process.availableMemory() };
}

/** What a process may take in addition where nothing is said. */
export function memoryToTake({ available }: MachineMemory): number {
  return availableShare * available;
}

/**
 * The fastest way to run that fits, in the order of `possiblePlans`, with at most the usual number of pairs a run, beyond which
 * nothing gets faster; encodings get what is left. What is given stays. Without a limit, half of what the system has available
 * decides, and where nothing fits into that, the run with the least of it goes ahead all the same. What other providers than
 * the CPU have is not known: they compute activations twice, and leave weights as they are, unless told otherwise.
 *
 * @throws InputError where nothing fits into the limit, which says how much is needed
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
  const unknownMemory = pipeline.engine.provider !== "cpu";
  const side = sizes.resolution / pipeline.vaeScaleFactor;
  const plans = possiblePlans({
    ...{ pairs: pairsTogether(sizes.objective.candidates, sizes.batch), pairsPerRun, limited: limit !== undefined },
    tokensPerPair: pipeline.tokensPerPair([pipeline.latentChannels, side, side]),
    precision: pipeline.engine.precision,
    checkpoints: checkpoints === "auto" && unknownMemory ? "always" : checkpoints,
    repack: repack === "auto" && !gainsByRepacking(pipeline.engine) ? "never" : repack,
  });
  if (limit !== undefined) return fitLimit(plans, fit, sizes.resolution, limit);
  const budget = machine.resident + memoryToTake(machine);
  let fitted: FittedRun | undefined;
  for (const plan of plans) {
    fitted = fit(plan, defaultCacheBytes);
    if (fitted.memory.total <= budget) break;
  }
  if (fitted === undefined) throw new InputError("a batch without pairs cannot be trained on");
  return fitted;
}

/** OpenVINO has copies of its own already; in fp32, others take 3% off a row of Stable Diffusion 1.5 for 4.4 GB. */
function gainsByRepacking({ library, repackingTarget }: Engine): boolean {
  return library === "onnxruntime" && repackingTarget !== null;
}

function fitLimit(
  plans: readonly ExecutionPlan[],
  fit: (plan: ExecutionPlan, cacheBytes: number) => FittedRun,
  resolution: number,
  limit: number,
): FittedRun {
  const bare = plans.map((plan) => fit(plan, 0));
  const fits = (fitted: FittedRun) => fitted.memory.total <= limit;
  // Where only activations or copies that are kept leave no room for encodings, they are kept all the same.
  const roomy = (fitted: FittedRun) =>
    fits(fitted.plan.checkpoints && !fitted.plan.repackWeights ? fitted : fit(fitted.plan, encodingShare * limit));
  const found = bare.find(roomy) ?? bare.find(fits);
  if (found !== undefined) return fit(found.plan, Math.min(defaultCacheBytes, limit - found.memory.total));
  const least = bare.reduce((found, each) => (each.memory.total < found.memory.total ? each : found));
  const how = `with ${describePlan(least.plan)} and no encodings kept`;
  const instead = [
    ...(plans.every(({ checkpoints }) => !checkpoints) ? ["`checkpoints` always"] : []),
    ...(plans.every(({ repackWeights }) => repackWeights) ? ["`repack` never"] : []),
  ];
  throw new InputError(
    `\`memory\` ${formatByteSize(limit)} is too little: at ${resolution} x ${resolution} pixels this run takes at least ${formatByteSize(least.memory.total)}, ${how}; give it more, a smaller \`resolution\`${instead.map((option) => `, or ${option}`).join("")}`,
  );
}

/** As `2 pairs a run, activations kept, weights repacked`. */
export function describePlan({ pairsPerRun, checkpoints, repackWeights }: ExecutionPlan): string {
  const pairs = `${pairsPerRun} ${pairsPerRun === 1 ? "pair" : "pairs"} a run`;
  return `${pairs}, activations ${checkpoints ? "computed twice" : "kept"}${repackWeights ? ", weights repacked" : ""}`;
}
