/** @file What `train` and `plan` do first: open data and model, settle every setting, see what fits. */

import { join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { Generator } from "../../../core/random.js";
import type { CaptionedImage } from "../../../data/captioned-image.js";
import { openDataSet } from "../../../data/data-set.js";
import { type ImagePool, mixPools } from "../../../data/mixture.js";
import type { DiffusionPipeline } from "../../../pipelines/pipeline.js";
import type { Checkpoint, Fingerprints } from "../../../runs/folder/checkpoint.js";
import { RunFolder } from "../../../runs/folder/run-folder.js";
import { createSoftTokens } from "../../../softtokens/initial.js";
import { requireFit, type SoftTokens } from "../../../softtokens/softtokens.js";
import { dataFingerprint } from "../../../training/data-fingerprint.js";
import { holdOut } from "../../../training/hold-out.js";
import { type FittedRun, fitRun, type RunConstraints } from "../../../training/plan/fit.js";
import { productRate } from "../../../training/plan/time.js";
import type { TrainCommandOptions } from "../../commands/train.js";
import type { CommandContext } from "../../context.js";
import { openTrainingData } from "../data-sets.js";
import { openTokens, withPipeline } from "../session.js";
import { chosenOf, type Forecast, forecast, type RunSubject, runSizes } from "./forecast.js";
import { runSettings } from "./settings.js";

/** A run before its first step. */
export interface PreparedRun extends RunSubject {
  readonly pools: readonly ImagePool[];
  /** Images that are trained on. */
  readonly images: number;
  readonly heldOut: readonly CaptionedImage[];
  readonly folder: RunFolder;
  readonly fingerprints: Fingerprints;
  /** What the run goes on from. */
  readonly from: Checkpoint | undefined;
  readonly sizes: ReturnType<typeof runSizes>;
  readonly fitted: FittedRun;
}

export async function withPreparedRun(
  options: TrainCommandOptions,
  context: CommandContext,
  body: (run: PreparedRun) => Promise<void>,
): Promise<void> {
  const { reporter } = context;
  const sets = await openTrainingData(options, context);
  const { pools, heldOut } = await dataOf(options, mixPools(sets));
  await withPipeline(options, reporter, async (pipeline) => {
    const folder = new RunFolder(options.out);
    const images = pools.reduce((sum, { items }) => sum + items.length, 0);
    const wanted = runSettings(options, pipeline, images);
    const fingerprints = { model: await pipeline.fingerprint(), data: dataFingerprint(sets) };
    const from = options.resume ? await folder.newest((message) => reporter.warn(message)) : undefined;
    if (from !== undefined) requireSameRun(from, fingerprints, options.out);
    const softTokens = from?.softTokens ?? (await startingTokens(options, pipeline, reporter));
    requireFit(softTokens, pipeline.softTokenLayout);
    const sizes = runSizes({ options, settings: wanted, pipeline, softTokens }, pools, heldOut);
    const fitted = fitRun(pipeline, sizes, constraintsOf(options, from));
    const settings = { ...wanted, ...chosenOf(fitted, options) };
    await body({
      ...{ options, settings, pipeline, softTokens, pools, images, heldOut, folder, fingerprints, from, sizes, fitted },
    });
  });
}

/** The forecast after a short measurement of this machine's speed. */
export async function forecastOf(run: PreparedRun): Promise<Forecast> {
  return forecast(run, run.sizes, run.fitted, await productRate(run.pipeline.engine));
}

/** A run that goes on from before these choices were written down was begun with activations computed twice and weights as they were. */
function constraintsOf(
  { chunk, checkpoints, repack, memory: limit }: TrainCommandOptions,
  from: Checkpoint | undefined,
): RunConstraints {
  if (from === undefined) return { pairsPerRun: chunk, checkpoints, repack, limit };
  return {
    ...{ pairsPerRun: chunk, limit },
    checkpoints: checkpoints === "auto" ? "always" : checkpoints,
    repack: repack === "auto" ? "never" : repack,
  };
}

/** What is trained on, and what it is measured by. */
async function dataOf(
  { holdOut: count, validation, seed }: TrainCommandOptions,
  pools: readonly ImagePool[],
): Promise<{ readonly pools: readonly ImagePool[]; readonly heldOut: readonly CaptionedImage[] }> {
  if (count > 0) return holdOut(pools, count, seed);
  return { pools, heldOut: validation === undefined ? [] : (await openDataSet(validation)).items };
}

async function startingTokens(
  options: TrainCommandOptions,
  pipeline: DiffusionPipeline,
  reporter: CommandContext["reporter"],
): Promise<SoftTokens> {
  const given = await openTokens(options.initTokens, pipeline, options.force, reporter);
  if (given !== null) return given;
  const { layers, tokens: count, buckets, width, stages, seed } = options;
  const sizes = { layers: layers ?? pipeline.defaults.layers, count, buckets, width, stages };
  return createSoftTokens(pipeline, sizes, new Generator(seed));
}

function requireSameRun({ fingerprints }: Checkpoint, now: Fingerprints, out: string): void {
  if (fingerprints.model !== now.model) {
    throw new InputError(
      `${out} was begun with another model than ${join(out, "config.yaml")} names now; it cannot go on`,
    );
  }
  if (fingerprints.data !== now.data) {
    throw new InputError(
      `${out} was begun with other data: images or captions have been added, removed, renamed or changed since; it cannot go on`,
    );
  }
}
