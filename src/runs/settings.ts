/** @file Settings of a training run with the defaults of model and family filled in, and the values of its `config.yaml`. */

import { resolve } from "node:path";
import { UsageError } from "../core/errors.js";
import type { ExecutionPlan } from "../objectives/execution-plan.js";
import { objectiveNames, objectives } from "../objectives/index.js";
import type { Objective } from "../objectives/objective.js";
import type { SoftRepaSettings } from "../objectives/softrepa.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { requireSize } from "../pipelines/sizes.js";
import { type SoftTokens, sizesOf, stagesOf } from "../softtokens/softtokens.js";
import type { TrainSettings } from "../training/train.js";
import type { CompleteSpec } from "./complete-spec.js";
import type { ConfigValues } from "./config/write-config.js";
import { defaultSteps } from "./run-spec.js";

export interface RunSettings extends TrainSettings, SoftRepaSettings {
  readonly plan: ExecutionPlan;
}

/** `images` is the number of training images. */
export function runSettings(
  spec: CompleteSpec,
  pipeline: DiffusionPipeline,
  images: number,
): Omit<RunSettings, "plan"> {
  const { preset, batch, epochs } = spec;
  if (preset !== undefined && preset !== pipeline.family) {
    throw new UsageError(`\`preset\` ${preset} is for another family: ${pipeline.origin} is ${pipeline.family}`);
  }
  const resolution = spec.resolution ?? pipeline.defaultSize;
  requireSize(pipeline, "resolution", resolution);
  if (spec.sampleSize !== undefined) requireSize(pipeline, "sampleSize", spec.sampleSize);
  const epochSteps = epochs === undefined ? undefined : Math.max(1, Math.floor((epochs * images) / batch));
  return {
    batch,
    steps: spec.steps ?? epochSteps ?? defaultSteps,
    learningRate: spec.learningRate,
    weightDecay: spec.weightDecay,
    restartPeriod: spec.restartPeriod,
    schedulerEvery: spec.schedulerEvery,
    minimumLearningRate: spec.minimumLearningRate,
    seed: spec.seed,
    resolution,
    augmentation: { crop: spec.crop, flip: spec.flip },
    temperature: spec.temperature,
    scale: spec.scale,
    dweight: spec.dweight ?? pipeline.defaults.dweight,
  };
}

/** Returns the caller's objective, or else the built-in one with the name in the spec. */
export function objectiveOf({ objective }: CompleteSpec, settings: SoftRepaSettings, own?: Objective): Objective {
  if (own !== undefined) return own;
  const name = objectiveNames.find((known) => known === objective);
  if (name !== undefined) return objectives[name].create(settings);
  throw new UsageError(
    `\`objective\` must be one of ${objectiveNames.join(", ")}, or be passed by the caller, not ${JSON.stringify(objective)}`,
  );
}

/**
 * Values of `config.yaml`, which suffice to repeat or resume the run from any working directory. Settings that depend on
 * data or model have their resolved values.
 */
export function resolvedConfig(
  spec: CompleteSpec,
  settings: RunSettings,
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens,
): ConfigValues {
  const { data, epochs, initTokens, tokenizers, textEncoders, validation, latentsCache, ...rest } = spec;
  const { layers, count, buckets, width } = sizesOf(softTokens, "soft tokens");
  const { projectedWidth } = pipeline.softTokenLayout;
  const { library, provider, precision } = pipeline.engine;
  const layout: ConfigValues = {
    ...{ layers, tokens: count, buckets, width: width === projectedWidth ? "projected" : "raw" },
    stages: stagesOf(softTokens, pipeline.softTokenLayout) ?? undefined,
  };
  const unset = { layers: undefined, tokens: undefined, buckets: undefined, width: undefined, stages: undefined };
  return {
    ...rest,
    ...(initTokens === undefined ? layout : unset),
    ...absolute({ model: pipeline.origin, textEncoders, validation, initTokens, latentsCache, out: spec.out }),
    data: data.map(({ path, weight }) => (weight === undefined ? resolve(path) : { path: resolve(path), weight })),
    tokenizers: tokenizers.map((folder) => resolve(folder)),
    steps: settings.steps,
    resolution: settings.resolution,
    // Fixed, because another choice on another machine would change the last bits of the results.
    pairsPerRun: settings.plan.pairsPerRun,
    checkpoints: settings.plan.checkpoints ? "always" : "never",
    repack: settings.plan.repackWeights ? "always" : "never",
    dweight: settings.dweight,
    engine: library,
    provider,
    precision,
    ...(latentsCache === undefined && { latentsCacheLimit: undefined }),
  };
}

function absolute<T extends Readonly<Record<string, string | undefined>>>(paths: T): T {
  const entries = Object.entries(paths).map(([name, path]) => [name, path === undefined ? undefined : resolve(path)]);
  return Object.fromEntries(entries) as T;
}
