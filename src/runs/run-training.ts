/** @file Carries out a training run, from its lock to its best checkpoint. */

import { join } from "node:path";
import { InterruptedError, UsageError } from "../core/errors.js";
import { writeFileAtomic } from "../core/files.js";
import { packageVersion } from "../core/version.js";
import { imageSharing } from "../objectives/candidates.js";
import { softRepa } from "../objectives/softrepa.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { truncationWarner } from "../pipelines/truncation-warner.js";
import { LatentsCache } from "../training/latents-cache/latents-cache.js";
import { train } from "../training/train.js";
import { Validation } from "../training/validation.js";
import { configSchema } from "./config/config-schema.js";
import { configText } from "./config/write-config.js";
import { compareCost } from "./estimate.js";
import type { RunHooks } from "./events.js";
import { RunLock } from "./folder/run-lock.js";
import { requireRunFolder } from "./outputs.js";
import { estimateRun, type PreparedRun, prepareRun, type RunRequest } from "./prepare.js";
import { bestBy, RunWriter } from "./run-writer.js";
import { resolvedConfig } from "./settings.js";

/**
 * Carries out a whole run and emits its events.
 *
 * @throws InterruptedError after a stop request; finished steps are saved
 */
export async function runTraining(request: RunRequest, hooks: RunHooks): Promise<void> {
  const { out } = request.spec;
  const lock = await RunLock.acquire(out);
  try {
    // Checked under the lock, because another process may just have finished a run here.
    if (!request.resume) await requireRunFolder(out, request.force ?? false);
    await runLocked(await prepareRun(request, hooks), hooks);
  } finally {
    await lock.release();
  }
}

/** The text of `config.yaml`, which repeats the run. */
export function configOf({ spec, settings, pipeline, softTokens }: PreparedRun): string {
  const note = `written by softrepa ${packageVersion()}; repeat the run with softrepa train --config FILE, continue it with --resume FOLDER`;
  return configText(resolvedConfig(spec, settings, pipeline, softTokens), "config.schema.json", note);
}

async function runLocked(prepared: PreparedRun, hooks: RunHooks): Promise<void> {
  const { spec, pipeline, settings, softTokens, objective, from, pools, folder, fitted } = prepared;
  const { emit, signal } = hooks;
  if (spec.memory !== undefined) emit({ type: "memory", fitted });
  const begun = from?.state.step ?? 0;
  if (begun > settings.steps) {
    throw new UsageError(`${spec.out} already has ${begun} steps, more than \`steps\` ${settings.steps}`);
  }
  const onTruncated = truncationWarner((message) => emit({ type: "warning", message }));
  const latentsCache = await openLatentsCache(prepared, hooks);
  const validation = await openValidation(prepared, { latentsCache, onTruncated });
  const config = { yaml: configOf(prepared), schema: `${JSON.stringify(configSchema(), null, 2)}\n` };
  const writer = new RunWriter({ ...prepared, config, validation, hooks });
  try {
    const planned = await estimateRun(prepared);
    emit({ type: "start", step: begun, steps: settings.steps });
    // Before training releases the text encoders.
    if (begun < settings.steps) await writer.prepare();
    const done = await train(pipeline, {
      ...{ ...settings, pools, softTokens, objective, latentsCache, signal, onTruncated },
      captionWindow: spec.captionWindow,
      from: from?.state,
      onStart: () => writer.start(),
      onEncoded: (encoded, total) => emit({ type: "progress", label: "encoding", done: encoded, total }),
      onStep: writer.afterStep.bind(writer),
    });
    if (done === 0) throw new InterruptedError("interrupted before the first step; nothing was saved");
    await writer.start();
    await writer.finish();
    await writer.writeTokens(done);
    const comparison = compareCost(planned, done - begun, writer.stepSeconds);
    await writeFileAtomic(folder.plan, `${JSON.stringify(comparison, null, 2)}\n`);
    emit({ type: "taken", ...comparison });
    emit({ type: "saved", file: folder.tokens, steps: done });
    if (done < settings.steps) throw new InterruptedError(`interrupted after ${done} of ${settings.steps} steps`);
    const best = await folder.best(bestBy(spec.best));
    if (best !== undefined) {
      const file = join(best.folder, "tokens.safetensors");
      emit({ type: "best", file, step: best.step, metric: spec.best, value: best.value });
    }
    emit({ type: "finished", file: folder.tokens, steps: done });
  } catch (error) {
    // A failure loses the step that failed, but not the steps before it.
    if (!(error instanceof InterruptedError)) await writer.rescue();
    throw error;
  } finally {
    await writer.close();
    await validation?.release();
    await latentsCache?.close();
  }
}

async function openValidation(
  { settings, pipeline, heldOut, softTokens, ...run }: PreparedRun,
  shared: Pick<Parameters<typeof Validation.open>[3], "latentsCache" | "onTruncated">,
): Promise<Validation | null> {
  if (heldOut.length === 0) return null;
  const { batch, resolution } = settings;
  const { pairsPerRun } = settings.plan;
  // Validation compares captions, whatever the objective.
  const { row } = imageSharing(run.objective.candidates) === "each" ? softRepa(settings) : run.objective;
  return Validation.open(pipeline, heldOut, softTokens, { batch, resolution, pairsPerRun, row, ...shared });
}

async function openLatentsCache(
  { spec, settings: { resolution }, pipeline }: PreparedRun,
  { emit }: RunHooks,
): Promise<LatentsCache | undefined> {
  const { latentsCache: folder, latentsCacheLimit: limit } = spec;
  if (folder === undefined) return undefined;
  return LatentsCache.open({
    folder,
    limit,
    resolution,
    latentShape: latentShapeOf(pipeline, resolution),
    fingerprint: await pipeline.latentsFingerprint(),
    onNote: (message) => emit({ type: "warning", message }),
  });
}

function latentShapeOf({ latentChannels, vaeScaleFactor }: DiffusionPipeline, resolution: number): readonly number[] {
  return [latentChannels, resolution / vaeScaleFactor, resolution / vaeScaleFactor];
}
