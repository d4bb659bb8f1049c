/** @file Estimates the cost of a run from its options, model and data, and compares it with the actual cost. */

import type { CaptionedImage } from "../data/captioned-image.js";
import type { ImagePool } from "../data/mixture.js";
import type { ExecutionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { describeSoftTokens } from "../softtokens/describe.js";
import { type SoftTokens, sizesOf, stagesOf } from "../softtokens/softtokens.js";
import { latentsCacheBytes } from "../training/latents-cache/latents-cache.js";
import { type DiskPlan, planDisk } from "../training/plan/disk.js";
import type { FittedRun } from "../training/plan/fit.js";
import type { MemoryPlan, RunSizes } from "../training/plan/memory.js";
import { planTime, type TimePlan } from "../training/plan/time.js";
import type { CompleteSpec } from "./complete-spec.js";
import type { RunSettings } from "./settings.js";

/** Estimated cost of a run. */
export interface RunEstimate {
  readonly plan: ExecutionPlan;
  readonly steps: number;
  readonly memory: MemoryPlan;
  readonly disk: DiskPlan;
  readonly time: TimePlan;
}

export interface RunSubject<Settings = RunSettings> {
  readonly spec: CompleteSpec;
  readonly settings: Settings;
  readonly pipeline: DiffusionPipeline;
  readonly softTokens: SoftTokens;
  readonly objective: Objective;
}

/** Settings that depend on memory. The size of the cache of encodings is set only if memory is limited. */
export function memorySettings(
  { plan, cacheBytes }: FittedRun,
  { memory }: CompleteSpec,
): Pick<RunSettings, "plan" | "cacheBytes"> {
  return { plan, ...(memory !== undefined && { cacheBytes }) };
}

export function runSizes(
  { spec, settings, pipeline, softTokens, objective }: RunSubject<Omit<RunSettings, "plan">>,
  pools: readonly ImagePool[],
  heldOut: readonly CaptionedImage[],
): Omit<RunSizes, "plan" | "cacheBytes"> {
  const { layers, count } = sizesOf(softTokens, "soft tokens");
  const items = pools.flatMap((pool) => pool.items);
  return {
    objective,
    batch: settings.batch,
    resolution: settings.resolution,
    softTokens: {
      shape: [layers, count, pipeline.softTokenLayout.projectedWidth],
      stages: stagesOf(softTokens, pipeline.softTokenLayout),
    },
    heldOut: heldOut.length,
    sampleSize: spec.samplePrompts.length === 0 ? null : (spec.sampleSize ?? pipeline.defaultSize),
    images: items.length,
    captions: new Set(items.flatMap(({ captions }) => captions)).size,
  };
}

/** `rate` is the speed of matrix products on this machine, in floating-point operations per second. */
export function estimateCost(
  { spec, settings, pipeline, softTokens }: RunSubject,
  sizes: ReturnType<typeof runSizes>,
  fitted: FittedRun,
  rate: number,
): RunEstimate {
  const { steps } = settings;
  const { plan, cacheBytes, memory } = fitted;
  const { sampleSize, heldOut } = sizes;
  const { saveEvery, keepLast, sampleEvery, samplePrompts } = spec;
  const every = sampleEvery ?? (saveEvery || steps);
  const side = settings.resolution / pipeline.vaeScaleFactor;
  const latents = [pipeline.latentChannels, side, side];
  const disk = planDisk({
    ...{ steps, saveEvery, keepLast, best: heldOut > 0 },
    parameters: describeSoftTokens(softTokens).parameters,
    latentsCache:
      spec.latentsCache === undefined
        ? 0
        : Math.min(spec.latentsCacheLimit, latentsCacheBytes(sizes.images, latents, spec.flip ? 2 : 1)),
    samples: sampleSize === null ? null : { prompts: samplePrompts.length, every, size: sampleSize },
  });
  const time = planTime(pipeline, { ...sizes, plan, cacheBytes }, steps, rate);
  return { plan, steps, memory, disk, time };
}

/** Estimated and actual cost of the `steps` of this call: peak bytes of the process, seconds of the steps. */
export interface Comparison {
  readonly steps: number;
  readonly planned: Cost;
  readonly took: Cost;
  readonly ratio: Cost;
}

export interface Cost {
  readonly memory: number;
  readonly seconds: number;
}

export function compareCost({ memory, time, ...planned }: RunEstimate, steps: number, seconds: number): Comparison {
  const estimate = { memory: memory.total, seconds: (steps / planned.steps) * time.seconds };
  // maxRSS is in kilobytes, for the whole process so far.
  const took = { memory: 1024 * process.resourceUsage().maxRSS, seconds };
  const ratio = { memory: took.memory / estimate.memory, seconds: seconds / estimate.seconds };
  return { steps, planned: estimate, took, ratio };
}
