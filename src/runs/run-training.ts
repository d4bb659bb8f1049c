/** @file A training run from its lock to its best checkpoint. */

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
 * Does the whole run; what happens is emitted on the way.
 *
 * @throws InterruptedError where it was asked to stop; what was done is saved
 */
export async function runTraining(request: RunRequest, hooks: RunHooks): Promise<void> {
  const { out } = request.spec;
  const lock = await RunLock.acquire(out);
  try {
    // Under the lock: another process may have finished a run here in the meantime.
    if (!request.resume) await requireRunFolder(out, request.force ?? false);
    await runLocked(await prepareRun(request, hooks), hooks);
  } finally {
    await lock.release();
  }
}

/** The text of `config.yaml` by which a run can be done again. */
export function configOf({ spec, settings, pipeline, softTokens }: PreparedRun): string {
  const note = `written by softrepa ${packageVersion()}; softrepa train --config FILE does it again, --resume FOLDER goes on`;
  return configText(resolvedConfig(spec, settings, pipeline, softTokens), "config.schema.json", note);
}

async function runLocked(prepared: PreparedRun, hooks: RunHooks): Promise<void> {
  const { spec, pipeline, settings, softTokens, objective, from, pools, folder, fitted } = prepared;
  const { emit, signal } = hooks;
  if (spec.memory !== undefined) emit({ type: "memory", fitted });
  const begun = from?.state.step ?? 0;
  if (begun > settings.steps) {
    throw new UsageError(`${spec.out} has ${begun} steps already, which is more than \`steps\` ${settings.steps}`);
  }
  const onTruncated = truncationWarner((message) => emit({ type: "warning", message }));
  const latentsCache = await openLatentsCache(prepared, hooks);
  const validation = await openValidation(prepared, { latentsCache, onTruncated });
  const config = { yaml: configOf(prepared), schema: `${JSON.stringify(configSchema(), null, 2)}\n` };
  const writer = new RunWriter({ ...prepared, config, validation, hooks });
  try {
    const planned = await estimateRun(prepared);
    emit({ type: "start", step: begun, steps: settings.steps });
    // While the text encoders are there: the first window of training frees them.
    if (begun < settings.steps) await writer.prepare();
    const done = await train(pipeline, {
      ...{ ...settings, pools, softTokens, objective, latentsCache, signal, onTruncated },
      captionWindow: spec.captionWindow,
      from: from?.state,
      onStart: () => writer.start(),
      onEncoded: (encoded, total) => emit({ type: "progress", label: "encoding", done: encoded, total }),
      onStep: writer.afterStep.bind(writer),
    });
    if (done === 0) throw new InterruptedError("interrupted before the first step; nothing is saved");
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
    // A failure on the way costs the step that failed, not those before.
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
  // Captions are compared whatever is trained by.
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
