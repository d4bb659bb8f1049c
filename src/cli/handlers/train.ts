/** @file `softrepa train`: what it does. */

import { appendFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { InterruptedError, messageOf, RuntimeFailure } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { Generator } from "../../core/random.js";
import { openImageFolder } from "../../data/image-folder.js";
import type { TrainingObjective } from "../../objectives/objective.js";
import { type SoftRepaSettings, softRepa } from "../../objectives/softrepa.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { requireSize } from "../../pipelines/sizes.js";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import { createSoftTokens } from "../../softtokens/initial.js";
import { type SoftTokens, sizesOf, stagesOf } from "../../softtokens/softtokens.js";
import { type TrainStep, train } from "../../training/train.js";
import type { TrainCommandOptions } from "../commands/train.js";
import type { CommandContext } from "../context.js";
import { modelName, openTokens, truncationWarner, withPipeline } from "./session.js";

export async function runTrain(options: TrainCommandOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { data, out, steps } = options;
  const { items } = await openImageFolder(data);
  await withPipeline(options, reporter, async (pipeline) => {
    const settings = resolve(options, pipeline);
    const softTokens = await startingTokens(options, pipeline);
    const log = join(out, "log.jsonl");
    // Not before the first step is done: what cannot be trained on leaves nothing behind.
    const begin = async () => {
      if (options.force) await removeCheckpoints(join(out, "checkpoints"));
      const { layers, count: tokens, buckets } = sizesOf(softTokens, "soft tokens");
      const stages = stagesOf(softTokens, pipeline.softTokenLayout) ?? undefined;
      const config = { ...options, ...settings, layers, tokens, buckets, stages };
      await writeFileAtomic(join(out, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
      await writeFileAtomic(log, "");
    };
    const save = (file: string, step: number) =>
      writeSoftTokens(join(out, file), described(softTokens, options, step), "softrepa");

    let finished = 0;
    reporter.progress("steps", 0, steps);
    const done = await train(pipeline, items, softTokens, objectiveOf(options, settings), settings, {
      signal,
      onTruncated: truncationWarner(reporter),
      onStep: async (step) => {
        if (step.step === 1) await begin();
        finished = step.step;
        await record(log, step);
        const { loss, rank1 } = step;
        const last = step.step === steps;
        const share = rank1 === null ? {} : { rank1: rank1.toFixed(2) };
        reporter.progress("steps", step.step, steps, { loss: loss.toFixed(4), ...share });
        if (last || step.step % options.logEvery === 0) reporter.event("step", { ...step });
        if (options.saveEvery > 0 && step.step % options.saveEvery === 0) {
          await save(checkpointName(step.step), step.step);
        }
      },
    }).catch(async (error: unknown) => {
      // A failure on the way costs the step that failed, not those before.
      if (finished > 0) await save(checkpointName(finished), finished);
      throw error;
    });
    if (done === 0) await begin();
    await save("tokens.safetensors", done);
    const file = join(out, "tokens.safetensors");
    reporter.event("saved", { file, steps: done }, `${file}  after ${done} steps`);
    if (done < steps) throw new InterruptedError(`interrupted after ${done} of ${steps} steps; tokens are saved`);
  });
}

function checkpointName(step: number): string {
  return join("checkpoints", `step-${String(step).padStart(6, "0")}.safetensors`);
}

/** Those of a run that is overwritten would look like this one's. */
async function removeCheckpoints(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((file) => /^step-\d{6,}\.safetensors$/.test(file))) await rm(join(folder, name));
}

function objectiveOf({ objective }: TrainCommandOptions, settings: SoftRepaSettings): TrainingObjective {
  switch (objective) {
    case "softrepa":
      return { kind: "contrastive", row: softRepa(settings) };
    case "score-matching":
      return { kind: "score-matching" };
  }
}

/** Options with the model's and family's own values filled in. */
function resolve(options: TrainCommandOptions, pipeline: DiffusionPipeline) {
  const resolution = options.resolution ?? pipeline.defaultSize;
  requireSize(pipeline, "--resolution", resolution);
  return {
    batch: options.batch,
    steps: options.steps,
    learningRate: options.lr,
    weightDecay: options.weightDecay,
    restartPeriod: options.restartPeriod,
    schedulerEvery: options.schedulerEvery,
    minimumLearningRate: options.minLr,
    seed: options.seed,
    resolution,
    chunk: options.chunk,
    temperature: options.temperature,
    scale: options.scale,
    dweight: options.dweight ?? pipeline.defaults.dweight,
  };
}

async function startingTokens(options: TrainCommandOptions, pipeline: DiffusionPipeline): Promise<SoftTokens> {
  const given = await openTokens(options.initTokens, pipeline);
  if (given !== null) return given;
  const { layers, tokens: count, buckets, width, stages, seed } = options;
  const sizes = { layers: layers ?? pipeline.defaults.layers, count, buckets, width, stages };
  return createSoftTokens(pipeline, sizes, new Generator(seed));
}

/** The tokens with who made them. */
function described(tokens: SoftTokens, options: TrainCommandOptions, step: number): SoftTokens {
  const { objective, batch, lr, temperature, scale, seed } = options;
  const settings = { objective, base: modelName(options.model), step, batch, lr, temperature, scale, seed };
  const entries = Object.entries(settings).map(([name, value]) => [`softrepa.${name}`, String(value)]);
  return { ...tokens, metadata: { ...tokens.metadata, ...Object.fromEntries(entries) } };
}

async function record(log: string, step: TrainStep): Promise<void> {
  await appendFile(log, `${JSON.stringify(step)}\n`).catch((error: unknown) => {
    throw new RuntimeFailure(`cannot write ${log}: ${messageOf(error)}`, { cause: error });
  });
}
