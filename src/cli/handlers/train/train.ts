/** @file `softrepa train`: what it does. */

import { join } from "node:path";
import { InterruptedError, UsageError } from "../../../core/errors.js";
import type { CaptionedImage } from "../../../data/captioned-image.js";
import { softRepa } from "../../../objectives/softrepa.js";
import type { DiffusionPipeline } from "../../../pipelines/pipeline.js";
import type { RunFolder } from "../../../runs/folder/run-folder.js";
import { RunLock } from "../../../runs/folder/run-lock.js";
import type { SoftTokens } from "../../../softtokens/softtokens.js";
import { LatentsCache } from "../../../training/latents-cache/latents-cache.js";
import { train } from "../../../training/train.js";
import { Validation } from "../../../training/validation.js";
import type { TrainCommandOptions } from "../../commands/train.js";
import { commandOnly, type RawTrainOptions, trainFields } from "../../commands/train-options.js";
import { configSchema } from "../../config/config-schema.js";
import { type ConfigValues, configText } from "../../config/write-config.js";
import type { CommandContext } from "../../context.js";
import { requireRunFolder } from "../../outputs.js";
import { packageVersion } from "../../version.js";
import { truncationWarner } from "../session.js";
import { tellDryRun } from "./dry-run.js";
import { forecastOf, withPreparedRun } from "./prepare.js";
import { objectiveOf, type RunSettings, resolvedConfig } from "./settings.js";
import { tellChoice, tellPlan, tellTaken } from "./tell-plan.js";
import { bestBy, TrainingRun } from "./training-run.js";

export async function runTrain(options: TrainCommandOptions, context: CommandContext): Promise<void> {
  if (options.dryRun) return runLocked(options, context);
  const lock = await RunLock.acquire(options.out);
  try {
    // Another process may have finished a run here since the options were read.
    if (!options.resume) await requireRunFolder(options.out, options.force);
    await runLocked(options, context);
  } finally {
    await lock.release();
  }
}

async function runLocked(options: TrainCommandOptions, context: CommandContext): Promise<void> {
  const { reporter, signal } = context;
  await withPreparedRun(options, context, async (prepared) => {
    const { pipeline, settings, softTokens, from, heldOut, pools, fingerprints, folder, fitted } = prepared;
    const config = configOf(resolvedConfig(options, settings, pipeline, softTokens));
    if (options.dryRun) {
      const { images } = prepared;
      tellDryRun({ settings, pipeline, softTokens, images, heldOut: heldOut.length, config: config.yaml }, reporter);
      tellPlan(await forecastOf(prepared), reporter, "# ");
      return;
    }
    if (options.memory !== undefined) tellChoice(fitted, reporter);
    if (from !== undefined && from.state.step > settings.steps) {
      throw new UsageError(
        `${options.out} has ${from.state.step} steps already, which is more than --steps ${settings.steps}`,
      );
    }
    const latentsCache = await openLatentsCache(options, settings, pipeline, reporter);
    const validation =
      heldOut.length === 0
        ? null
        : await openValidation(settings, pipeline, heldOut, softTokens, latentsCache, context);
    const run = new TrainingRun({
      ...{ options, settings, pipeline, softTokens, folder, fingerprints, config, validation, from, context },
    });
    try {
      const begun = from?.state.step ?? 0;
      const planned = await forecastOf(prepared);
      reporter.progress("steps", begun, settings.steps);
      const hooks = {
        signal,
        onTruncated: truncationWarner(reporter),
        onStart: () => run.begin(),
        onEncoded: (encoded: number, total: number) => reporter.progress("encoding", encoded, total),
        onStep: run.afterStep.bind(run),
      };
      // While the text encoders are there: the first window of training frees them.
      if ((from?.state.step ?? 0) < settings.steps) await run.prepare();
      const objective = objectiveOf(options, settings);
      const training = { ...settings, captionWindow: options.captionWindow, latentsCache };
      const done = await train(pipeline, pools, softTokens, objective, training, hooks, from?.state);
      if (done === 0) throw new InterruptedError("interrupted before the first step; nothing is saved");
      await run.begin();
      await run.finish();
      await run.writeTokens(done);
      await tellTaken(planned, { steps: done - begun, seconds: run.stepSeconds }, folder, reporter);
      const { tokens: file } = folder;
      reporter.event("saved", { file, steps: done }, `${file}  after ${done} steps`);
      if (done < settings.steps) {
        throw new InterruptedError(
          `interrupted after ${done} of ${settings.steps} steps; softrepa train --resume ${options.out} goes on`,
        );
      }
      await tellBest(options, folder, context);
    } catch (error) {
      // A failure on the way costs the step that failed, not those before.
      if (!(error instanceof InterruptedError)) await run.rescue();
      throw error;
    } finally {
      await run.close();
      await validation?.release();
      await latentsCache?.close();
    }
  });
}

function openValidation(
  settings: RunSettings,
  pipeline: DiffusionPipeline,
  heldOut: readonly CaptionedImage[],
  softTokens: SoftTokens,
  latentsCache: LatentsCache | undefined,
  { reporter }: CommandContext,
): Promise<Validation> {
  const { batch, resolution } = settings;
  return Validation.open(pipeline, heldOut, softTokens, {
    batch,
    resolution,
    pairsPerRun: settings.plan.pairsPerRun,
    objective: softRepa(settings),
    onTruncated: truncationWarner(reporter),
    latentsCache,
  });
}

function latentShapeOf({ latentChannels, latentScale }: DiffusionPipeline, resolution: number): readonly number[] {
  return [latentChannels, resolution / latentScale, resolution / latentScale];
}

async function openLatentsCache(
  { latentsCache: folder, latentsCacheLimit: limit }: TrainCommandOptions,
  { resolution }: RunSettings,
  pipeline: DiffusionPipeline,
  reporter: CommandContext["reporter"],
): Promise<LatentsCache | undefined> {
  if (folder === undefined) return undefined;
  return LatentsCache.open({
    ...{ folder, limit, resolution, latentShape: latentShapeOf(pipeline, resolution) },
    fingerprint: await pipeline.latentsFingerprint(),
    onNote: (message) => reporter.warn(message),
  });
}

function configOf(values: ConfigValues<RawTrainOptions>): { readonly yaml: string; readonly schema: string } {
  const fields = trainFields();
  const schema = `${JSON.stringify(configSchema("softrepa train", fields, commandOnly), null, 2)}\n`;
  const note = `written by softrepa ${packageVersion()}; softrepa train --config FILE does it again, --resume FOLDER goes on`;
  return { yaml: configText(values, fields, "config.schema.json", note), schema };
}

async function tellBest({ best }: TrainCommandOptions, folder: RunFolder, { reporter }: CommandContext): Promise<void> {
  const found = await folder.best(bestBy(best));
  if (found === undefined) return;
  const file = join(found.folder, "tokens.safetensors");
  reporter.event(
    "best",
    { file, step: found.step, metric: best, value: found.value },
    `${file}  best ${best}: ${found.value.toFixed(4)}`,
  );
}
