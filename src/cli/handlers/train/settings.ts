/** @file The settings of a training run with the model's and family's own values filled in, and as its `config.yaml`. */

import { resolve } from "node:path";
import { UsageError } from "../../../core/errors.js";
import type { ExecutionPlan } from "../../../objectives/execution-plan.js";
import type { TrainingObjective } from "../../../objectives/objective.js";
import { type SoftRepaSettings, softRepa } from "../../../objectives/softrepa.js";
import type { DiffusionPipeline } from "../../../pipelines/pipeline.js";
import { requireSize } from "../../../pipelines/sizes.js";
import { type SoftTokens, sizesOf, stagesOf } from "../../../softtokens/softtokens.js";
import type { TrainSettings } from "../../../training/train.js";
import type { TrainCommandOptions } from "../../commands/train.js";
import { defaultSteps, type RawTrainOptions } from "../../commands/train-options.js";
import type { ConfigValues } from "../../config/write-config.js";

export interface RunSettings extends TrainSettings, SoftRepaSettings {
  readonly plan: ExecutionPlan;
}

/** `images` is the number that are trained on. */
export function runSettings(
  options: TrainCommandOptions,
  pipeline: DiffusionPipeline,
  images: number,
): Omit<RunSettings, "plan"> {
  const { preset, batch, epochs } = options;
  if (preset !== undefined && preset !== pipeline.family) {
    throw new UsageError(`--preset ${preset} is for another family: ${options.model} is ${pipeline.family}`);
  }
  const resolution = options.resolution ?? pipeline.defaultSize;
  requireSize(pipeline, "resolution", resolution);
  if (options.sampleSize !== undefined) requireSize(pipeline, "sampleSize", options.sampleSize);
  const epochSteps = epochs === undefined ? undefined : Math.max(1, Math.floor((epochs * images) / batch));
  return {
    batch,
    steps: options.steps ?? epochSteps ?? defaultSteps,
    learningRate: options.lr,
    weightDecay: options.weightDecay,
    restartPeriod: options.restartPeriod,
    schedulerEvery: options.schedulerEvery,
    minimumLearningRate: options.minLr,
    seed: options.seed,
    resolution,
    augmentation: { crop: options.crop, flip: options.flip },
    temperature: options.temperature,
    scale: options.scale,
    dweight: options.dweight ?? pipeline.defaults.dweight,
  };
}

export function objectiveOf({ objective }: TrainCommandOptions, settings: SoftRepaSettings): TrainingObjective {
  switch (objective) {
    case "softrepa":
      return { kind: "contrastive", row: softRepa(settings) };
    case "score-matching":
      return { kind: "score-matching" };
  }
}

/**
 * What `config.yaml` says: enough to do the run again, or to go on with it, from any folder. Settings that depend on the data
 * or the model are there as they came out.
 */
export function resolvedConfig(
  options: TrainCommandOptions,
  settings: RunSettings,
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens,
): ConfigValues<RawTrainOptions> {
  const { model, data, resume, epochs, initTokens, samplePrompts, tokenizer, textEncoders, validation, ...rest } =
    options;
  const { latentsCache } = options;
  const { layers, count, buckets, width } = sizesOf(softTokens, "soft tokens");
  const { projectedWidth } = pipeline.softTokenLayout;
  const { library, provider, precision } = pipeline.engine;
  const layout: ConfigValues<RawTrainOptions> = {
    ...{ layers, tokens: count, buckets, width: width === projectedWidth ? "projected" : "raw" },
    stages: stagesOf(softTokens, pipeline.softTokenLayout) ?? undefined,
  };
  const unset = { layers: undefined, tokens: undefined, buckets: undefined, width: undefined, stages: undefined };
  return {
    ...rest,
    ...(initTokens === undefined ? layout : unset),
    ...absolute({ model, textEncoders, validation, initTokens, latentsCache, out: options.out }),
    data: data.map(({ path, weight }) => (weight === undefined ? resolve(path) : { path: resolve(path), weight })),
    tokenizer: tokenizer.map((folder) => resolve(folder)),
    samplePrompt: samplePrompts,
    steps: settings.steps,
    resolution: settings.resolution,
    // Chosen by what this machine had to give; elsewhere, or at another time, it would change the last bits.
    chunk: settings.plan.pairsPerRun,
    checkpoints: settings.plan.checkpoints ? "always" : "never",
    repack: settings.plan.repackWeights ? "always" : "never",
    dweight: settings.dweight,
    engine: library,
    provider,
    precision,
    ...(latentsCache === undefined && { latentsCacheLimit: undefined }),
    ...{ config: undefined, dryRun: undefined, force: undefined, json: undefined },
  };
}

function absolute<T extends Readonly<Record<string, string | undefined>>>(paths: T): T {
  const entries = Object.entries(paths).map(([name, path]) => [name, path === undefined ? undefined : resolve(path)]);
  return Object.fromEntries(entries) as T;
}
