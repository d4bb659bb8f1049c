/** @file Full-size goldens: denoiser outputs, errors of two images x two captions, loss, and gradients of the soft tokens. */

import { join } from "node:path";
import { type FloatTensor, floatTensor, rows } from "#softrepa/core/tensor.js";
import { fullMatrix } from "#softrepa/objectives/candidates.js";
import { executionPlan } from "#softrepa/objectives/execution-plan.js";
import { softRepa } from "#softrepa/objectives/softrepa.js";
import { conditioningAt } from "#softrepa/pipelines/conditioning.js";
import type { Conditioning, Denoiser } from "#softrepa/pipelines/pipeline.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { bucketOf, SoftTokenEmbedding } from "#softrepa/softtokens/embedding.js";
import type { SoftTokens } from "#softrepa/softtokens/softtokens.js";
import { cachedWeights } from "#softrepa/testing/synthetic/cached-weights.js";
import { syntheticInput } from "#softrepa/testing/synthetic/weights.js";
import { TrainingStep } from "#softrepa/training/training-step.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";
import { denoiseOne } from "../check-denoiser.js";
import { type Comparison, compare, limits } from "../compare.js";
import { GoldenFile, readJson } from "../golden-file.js";
import { fullModel, fullModelSchema } from "./models.js";

/** From the goldens' README: seeds of R, timesteps of the outputs and of training, number of images and captions. */
const seeds = { tokens: 11, table: 12, prompt_embeds: 13, sample: 14, latents: 15, noise: 16, pooled: 17 } as const;
const timesteps = [501, 37];
const trainingTimestep = 613;
const batchSize = 2;

/** Checks `<model>.safetensors` of a folder with synthetic weights, which are cached in `cache`. */
export async function* checkFullModel(
  engine: Engine,
  folder: string,
  model: string,
  cache: string,
): AsyncGenerator<Comparison> {
  const meta = await readJson(folder, `${model}.json`, fullModelSchema);
  const golden = await GoldenFile.open(join(folder, `${model}.safetensors`));
  const { weights, buffers, latentShape, dweight, open } = fullModel(meta);
  const file = await cachedWeights(join(cache, model), weights, buffers);
  const denoiser = open(engine, await openSafetensors(file));
  const tokens = syntheticInput(seeds.tokens, meta.tokens, 0.5);
  const softTokens: SoftTokens = {
    placement: denoiser.softTokenLayout.placement,
    tokens: meta.tokens.length === 2 ? floatTensor([1, ...meta.tokens], tokens.data) : tokens,
    timeTable: syntheticInput(seeds.table, meta.t_tokens, 0.2),
    metadata: {},
  };
  const conditioning: Record<string, FloatTensor> = {};
  for (const name of ["prompt_embeds", "pooled"] as const) {
    const shape = denoiser.conditioningShapes[name];
    if (shape !== undefined) conditioning[name] = syntheticInput(seeds[name], [batchSize, ...shape]);
  }

  const sample = syntheticInput(seeds.sample, [timesteps.length, ...latentShape]);
  for (const [name, used] of [
    ["output_base", null],
    ["output", softTokens],
  ] as const) {
    const expected = await golden.tensor(name);
    const output = await predictions(denoiser, sample, conditioning, used);
    yield compare(name, floatTensor(expected.shape, output), expected, limits.module);
  }
  const batch = {
    latents: syntheticInput(seeds.latents, [batchSize, ...latentShape], 0.5),
    noise: syntheticInput(seeds.noise, [1, ...latentShape], 0.5),
    conditioning,
    timestep: trainingTimestep,
    rows: fullMatrix(batchSize),
  };
  yield* checkStep(denoiser, softTokens, batch, dweight, golden);
}

/** Predicts each sample separately at its timestep. */
async function predictions(
  denoiser: Denoiser,
  sample: FloatTensor,
  conditioning: Conditioning,
  softTokens: SoftTokens | null,
): Promise<Float32Array> {
  const all: Float32Array[] = [];
  for (const [index, timestep] of timesteps.entries()) {
    const one = rows(sample, index, index + 1);
    all.push((await denoiseOne(denoiser, one, timestep, conditioningAt(conditioning, index), softTokens)).data);
  }
  return Float32Array.from(all.flatMap((data) => [...data]));
}

async function* checkStep(
  denoiser: Denoiser,
  softTokens: SoftTokens,
  batch: Parameters<TrainingStep["run"]>[0],
  dweight: number,
  golden: GoldenFile,
): AsyncGenerator<Comparison> {
  const embedding = await SoftTokenEmbedding.open(denoiser, softTokens);
  const objective = softRepa({ temperature: 1, scale: 4, dweight });
  const options = { latentShape: batch.latents.shape.slice(1), plan: executionPlan(batchSize) };
  const step = await TrainingStep.open(denoiser, embedding, objective, options);
  const { rows: matrixRows, loss, gradients } = await step.run(batch);
  const matrix = floatTensor([batchSize, batchSize], Float32Array.from(matrixRows.flatMap(({ errors }) => errors)));
  yield compare("errors", matrix, await golden.tensor("errors"), limits.error);
  yield compare("loss", floatTensor([1], Float32Array.of(loss)), await golden.tensor("loss"), limits.error);
  yield compare("grad.tokens", gradients.tokens, await golden.tensor("grad.tokens"), limits.gradient);
  if (gradients.timeTable !== null) {
    const row = bucketOf(batch.timestep, gradients.timeTable.shape[0], denoiser.scheduler.trainTimesteps);
    const name = `grad.t_tokens.row${row}`;
    yield compare(name, rows(gradients.timeTable, row, row + 1), await golden.tensor(name), limits.gradient);
  }
  await step.release();
  await embedding.release();
}
