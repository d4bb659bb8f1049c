/** @file Measures the memory of one contrastive step of a full-size denoiser with synthetic weights. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InterruptedError } from "#softrepa/core/errors.js";
import { Generator } from "#softrepa/core/random.js";
import { fullMatrix } from "#softrepa/objectives/candidates.js";
import { defaultPlan } from "#softrepa/objectives/execution-plan.js";
import { softRepa } from "#softrepa/objectives/softrepa.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { SoftTokenEmbedding } from "#softrepa/softtokens/embedding.js";
import { abortedAtCheck } from "#softrepa/testing/core/signals.js";
import { cachedWeights } from "#softrepa/testing/synthetic/cached-weights.js";
import { denoiserConfigSchema, syntheticDenoiser } from "#softrepa/testing/synthetic/denoiser.js";
import { TrainingStep } from "#softrepa/training/training-step.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";
import { peakMemory } from "./measure.js";

/** The models of test/fixtures/parity/full with the sizes of their goldens. */
export const fullModels = {
  sd15: { title: "SD1.5's UNet, 16 x 16 latents", textLength: 77, side: 16, stages: ["down", "mid"], tokens: [1, 4] },
  sd3: { title: "SD3-medium's transformer, 32 x 32 latents", textLength: 96, side: 32, stages: [], tokens: [5, 4] },
} as const;
export type FullModelName = keyof typeof fullModels;

export const fullCaseSchema = z.object({
  model: z.enum(["sd15", "sd3"]),
  /** Number of images. */
  batch: z.int().positive(),
  /** Number of runs after which the step is aborted; each run computes a few pairs and takes the same memory. Null: the complete step. */
  runs: z.int().positive().nullable(),
  cache: z.string(),
  threads: z.int().nonnegative(),
});
export type FullCase = z.infer<typeof fullCaseSchema>;

export const fullResultSchema = z.object({
  /** As `train` selects it. */
  pairsPerRun: z.number(),
  /** Number of completed runs. */
  runs: z.number(),
  seconds: z.number(),
  /** Peak resident memory of the process, in MB; null if the system does not report it. */
  peakMemory: z.number().nullable(),
});
export type FullResult = z.infer<typeof fullResultSchema>;

/** Runs a case in this process, which should do nothing else. */
export async function runFullCase({ model, batch, runs: maxRuns, cache, threads }: FullCase): Promise<FullResult> {
  const { textLength, side, stages, tokens } = fullModels[model];
  const file = join("test", "fixtures", "parity", "full", `${model}.json`);
  const { config } = z.object({ config: denoiserConfigSchema }).parse(JSON.parse(await readFile(file, "utf8")));
  const { weights, buffers, latentChannels, open } = syntheticDenoiser(config, { textLength, stages });
  const engine = new OnnxRuntimeEngine("cpu", threads);
  const denoiser = open(engine, await openSafetensors(await cachedWeights(join(cache, model), weights, buffers)));
  const random = new Generator(1);
  const latentShape = [latentChannels, side, side];
  const embedding = await SoftTokenEmbedding.open(denoiser, {
    placement: denoiser.softTokenLayout.placement,
    tokens: random.normal([...tokens, denoiser.softTokenLayout.rawWidth]),
    timeTable: null,
    metadata: {},
  });
  const plan = defaultPlan(denoiser, latentShape, batch);
  const objective = softRepa({ temperature: 0.07, scale: 4, dweight: 0 });
  const step = await TrainingStep.open(denoiser, embedding, objective, { latentShape, plan });
  const shapes = Object.entries(denoiser.conditioningShapes);
  const training = {
    latents: random.normal([batch, ...latentShape]),
    noise: random.normal([1, ...latentShape]),
    conditioning: Object.fromEntries(shapes.map(([name, shape]) => [name, random.normal([batch, ...shape])])),
    timestep: 613,
    rows: fullMatrix(batch),
  };
  const { signal, checks } = abortedAtCheck((maxRuns ?? Number.POSITIVE_INFINITY) + 1);
  const start = performance.now();
  try {
    await step.run(training, { signal });
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
  }
  const seconds = (performance.now() - start) / 1000;
  const memory = peakMemory();
  await step.release();
  await embedding.release();
  await engine.close();
  return { pairsPerRun: plan.pairsPerRun, runs: Math.min(maxRuns ?? checks(), checks()), seconds, peakMemory: memory };
}
