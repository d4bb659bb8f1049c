/** @file Prepares a run or a plan: opens data and model, resolves all settings and fits the run into memory. */

import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import { openDataSet } from "../data/data-set.js";
import { type ImagePool, mixPools } from "../data/mixture.js";
import type { Objective } from "../objectives/objective.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { createSoftTokens } from "../softtokens/initial.js";
import { openTokens } from "../softtokens/open.js";
import { requireFit, type SoftTokens } from "../softtokens/softtokens.js";
import { dataFingerprint } from "../training/data-fingerprint.js";
import { holdOut } from "../training/hold-out.js";
import { type FittedRun, fitRun, type RunConstraints } from "../training/plan/fit.js";
import { productRate } from "../training/plan/time.js";
import type { CompleteSpec } from "./complete-spec.js";
import { estimateCost, memorySettings, type RunEstimate, type RunSubject, runSizes } from "./estimate.js";
import type { RunHooks } from "./events.js";
import type { Checkpoint, Fingerprints } from "./folder/checkpoint.js";
import { RunFolder } from "./folder/run-folder.js";
import { openTrainingData } from "./open-data.js";
import { objectiveOf, runSettings } from "./settings.js";

/** A run before its first step. */
export interface PreparedRun extends RunSubject {
  readonly pools: readonly ImagePool[];
  /** Number of training images. */
  readonly images: number;
  readonly heldOut: readonly CaptionedImage[];
  readonly folder: RunFolder;
  readonly fingerprints: Fingerprints;
  /** The checkpoint to resume from. */
  readonly from: Checkpoint | undefined;
  readonly sizes: ReturnType<typeof runSizes>;
  readonly fitted: FittedRun;
}

/** The inputs of a run. */
export interface RunRequest {
  /**
   * An open pipeline, or a function that opens it after the data have been read; the caller closes it. Options of the spec
   * about model files, text length and machine are for the caller, and for `config.yaml`.
   */
  readonly pipeline: DiffusionPipeline | (() => Promise<DiffusionPipeline>);
  readonly spec: CompleteSpec;
  /** A custom objective, whose name is `objective` in the spec. */
  readonly objective?: Objective | undefined;
  /** Resume the run in `out`. */
  readonly resume?: boolean | undefined;
  /** Overwrite a run folder that is not empty; allow initial tokens of another base model. */
  readonly force?: boolean | undefined;
}

/** Opens data and model, resolves all settings and chooses a plan that fits into memory. Writes nothing. */
export async function prepareRun(request: RunRequest, hooks: RunHooks): Promise<PreparedRun> {
  const { spec, resume = false } = request;
  const warn = (message: string) => hooks.emit({ type: "warning", message });
  const sets = await openTrainingData(spec, hooks);
  const { pools, heldOut } = await splitData(spec, mixPools(sets));
  const pipeline = typeof request.pipeline === "function" ? await request.pipeline() : request.pipeline;
  const folder = new RunFolder(spec.out);
  const images = pools.reduce((sum, { items }) => sum + items.length, 0);
  const wanted = runSettings(spec, pipeline, images);
  const fingerprints = { model: await pipeline.fingerprint(), data: dataFingerprint(sets) };
  const from = resume ? await folder.newest(warn) : undefined;
  if (from !== undefined) requireSameRun(from, fingerprints, spec.out);
  const softTokens = from?.softTokens ?? (await initialTokens(request, pipeline, warn));
  requireFit(softTokens, pipeline.softTokenLayout);
  const objective = objectiveOf(spec, wanted, request.objective);
  const subject = { spec, pipeline, softTokens, objective };
  const sizes = runSizes({ ...subject, settings: wanted }, pools, heldOut);
  const fitted = fitRun(pipeline, sizes, runConstraints(spec, from));
  const settings = { ...wanted, ...memorySettings(fitted, spec) };
  return { ...subject, settings, pools, images, heldOut, folder, fingerprints, from, sizes, fitted };
}

/** Measures the speed of this machine for a moment and estimates the cost of the run. */
export async function estimateRun(run: PreparedRun): Promise<RunEstimate> {
  return estimateCost(run, run.sizes, run.fitted, await productRate(run.pipeline.engine));
}

/** Runs from before config.yaml recorded these choices used activation checkpointing and no repacked weights. */
function runConstraints(
  { pairsPerRun, checkpoints, repack, memory: limit }: CompleteSpec,
  from: Checkpoint | undefined,
): RunConstraints {
  if (from === undefined) return { pairsPerRun, checkpoints, repack, limit };
  return {
    pairsPerRun,
    limit,
    checkpoints: checkpoints === "auto" ? "always" : checkpoints,
    repack: repack === "auto" ? "never" : repack,
  };
}

/** Splits data into training and held-out images. */
async function splitData(
  { holdOut: count, validation, seed }: CompleteSpec,
  pools: readonly ImagePool[],
): Promise<{ readonly pools: readonly ImagePool[]; readonly heldOut: readonly CaptionedImage[] }> {
  if (count > 0) return holdOut(pools, count, seed);
  return { pools, heldOut: validation === undefined ? [] : (await openDataSet(validation)).items };
}

async function initialTokens(
  { spec, force }: RunRequest,
  pipeline: DiffusionPipeline,
  warn: (message: string) => void,
): Promise<SoftTokens> {
  const given = await openTokens(spec.initTokens, pipeline, { force, warn });
  if (given !== null) return given;
  const { layers, tokens: count, buckets, width, stages, seed } = spec;
  const sizes = { layers: layers ?? pipeline.defaults.layers, count, buckets, width, stages };
  return createSoftTokens(pipeline, sizes, new Generator(seed));
}

function requireSameRun({ fingerprints }: Checkpoint, now: Fingerprints, out: string): void {
  if (fingerprints.model !== now.model) {
    throw new InputError(
      `${out} was trained on another model than ${join(out, "config.yaml")} names now; it cannot be resumed`,
    );
  }
  if (fingerprints.data !== now.data) {
    throw new InputError(
      `${out} was trained on other data: images or captions have been added, removed, renamed or changed since; it cannot be resumed`,
    );
  }
}
