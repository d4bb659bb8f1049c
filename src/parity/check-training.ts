/** @file The goldens of a Stable Diffusion 3 folder, each as one function. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { input } from "../graph/ops.js";
import { autoencoderConfigSchema, autoencoderDialect, vaeDecoder, vaeEncoder } from "../models/autoencoder-kl.js";
import { translateKeys } from "../models/dialect.js";
import { openClipTokenizer, openT5Tokenizer } from "../models/tokenizer/index.js";
import { Weights } from "../models/weights.js";
import { softRepa } from "../objectives/softrepa.js";
import { openPipelineFolder, readComponentJson } from "../pipelines/folder.js";
import { softTokenFeed, softTokenInput } from "../pipelines/inputs.js";
import { openPipeline } from "../pipelines/open.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import type { Engine } from "../runtime/engine.js";
import { sampleLatents } from "../sampling/sample.js";
import { flowMatchEuler } from "../schedulers/index.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { AdamW } from "../training/adamw.js";
import { ContrastiveStep } from "../training/contrastive-step.js";
import { cosineRestarts } from "../training/learning-rate.js";
import { openCheckpoint } from "../weights/checkpoint.js";
import { type Comparison, compare, limits } from "./compare.js";
import { GoldenFile, type Meta, metaSchema, readJson } from "./golden-file.js";

/** An opened family folder. */
interface Subject {
  readonly folder: string;
  readonly meta: Meta;
  readonly pipeline: DiffusionPipeline;
}

type Check = (subject: Subject, golden: string) => AsyncGenerator<Comparison>;

/** Which function checks which file. */
export const sd3Checks: readonly (readonly [RegExp, Check])[] = [
  [/^text\.json$/, checkTokenizers],
  [/^text\.safetensors$/, checkPromptEmbeddings],
  [/^vae\.safetensors$/, checkAutoencoder],
  [/^denoiser.*\.safetensors$/, checkDenoiser],
  [/^scheduler-flow-euler\.safetensors$/, checkScheduler],
  [/^sample.*\.safetensors$/, checkSample],
  [/^softrepa.*\.safetensors$/, checkTrainingSteps],
];

export async function openSubject(folder: string, engine: Engine): Promise<Subject> {
  const meta = await readJson(folder, "meta.json", metaSchema);
  const options = { maxSequenceLength: meta.t5_max_length };
  return { folder, meta, pipeline: await openPipeline(join(folder, "pipeline"), engine, options) };
}

const textSchema = z.looseObject({ prompts: z.array(z.string()) });
const idsSchema = z.array(z.array(z.number()));

async function* checkTokenizers({ folder, meta }: Subject, golden: string): AsyncGenerator<Comparison> {
  const text = await readJson(folder, golden, textSchema);
  for (const suffix of ["", "_2", "_3"]) {
    const expected = idsSchema.safeParse(text[`input_ids_${suffix === "" ? 1 : suffix.slice(1)}`]);
    if (!expected.success) continue;
    const path = join(folder, "pipeline", `tokenizer${suffix}`);
    const length = meta.t5_max_length ?? 256;
    const tokenizer = suffix === "_3" ? await openT5Tokenizer(path, length) : await openClipTokenizer(path);
    const ids = text.prompts.map((prompt) => tokenizer.encode(prompt).ids);
    yield compare(`tokenizer${suffix}`, tableOf(ids), tableOf(expected.data), limits.exact);
  }
}

function tableOf(ids: readonly (readonly number[])[]): FloatTensor {
  return floatTensor([ids.length, ids[0].length], Float32Array.from(ids.flat()));
}

async function* checkPromptEmbeddings({ folder, pipeline }: Subject, golden: string): AsyncGenerator<Comparison> {
  const { prompts } = await readJson(folder, "text.json", textSchema);
  const file = await GoldenFile.open(join(folder, golden));
  const { conditioning } = await pipeline.encodePrompts(prompts);
  for (const name of ["prompt_embeds", "pooled"]) {
    yield compare(name, conditioning[name], await file.tensor(name), limits.module);
  }
}

async function* checkAutoencoder({ folder, pipeline }: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const pipelineFolder = await openPipelineFolder(join(folder, "pipeline"));
  const config = await readComponentJson(pipelineFolder, "vae", "config.json", autoencoderConfigSchema);
  const path = join(folder, "pipeline", "vae");
  const weights = translateKeys(await openCheckpoint(path, "diffusion_pytorch_model"), autoencoderDialect);
  const { engine } = pipeline;
  const [image, latent] = [await file.tensor("image"), await file.tensor("latent")];

  const encoder = new Graph();
  const encoded = vaeEncoder(Weights.of(encoder, weights), config, input(encoder, "image", image.shape));
  const encoding = await engine.compile(writeOnnx(encoder, { ...encoded }, engine.target));
  const { mean, logvar } = await encoding.run({ image });
  yield compare("mean", mean as FloatTensor, await file.tensor("mean"), limits.module);
  yield compare("logvar", logvar as FloatTensor, await file.tensor("logvar"), limits.module);
  await encoding.release();

  const decoder = new Graph();
  const output = vaeDecoder(Weights.of(decoder, weights), config, input(decoder, "latent", latent.shape));
  const decoding = await engine.compile(writeOnnx(decoder, { output }, engine.target));
  const { output: decoded } = await decoding.run({ latent });
  yield compare("decoded", decoded as FloatTensor, await file.tensor("decoded"), limits.module);
  await decoding.release();
}

/** Runs each sample of a golden by itself, since a timestep serves a whole run. */
async function* checkDenoiser({ pipeline, folder }: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const tokens = await softTokensOf(file, "tokens", "t_tokens");
  for (const prefix of ["", "wide."]) {
    for (const [output, softTokens] of [
      [`${prefix}output_base`, null],
      [`${prefix}output`, tokens],
    ] as const) {
      if (!file.has(output)) continue;
      const read = (name: string) => file.tensor(prefix + name);
      const [sample, timesteps, expected] = [await read("sample"), await read("timestep"), await file.tensor(output)];
      const conditioning = { prompt_embeds: await read("prompt_embeds"), pooled: await read("pooled") };
      const predictions = await Promise.all(
        Array.from(timesteps.data, (timestep, index) =>
          denoiseOne(pipeline, rows(sample, index, index + 1), timestep, pick(conditioning, index), softTokens),
        ),
      );
      const joined = floatTensor(expected.shape, Float32Array.from(predictions.flatMap(({ data }) => [...data])));
      yield compare(output, joined, expected, limits.module);
    }
  }
}

function pick(conditioning: Readonly<Record<string, FloatTensor>>, index: number) {
  return Object.fromEntries(Object.entries(conditioning).map(([name, all]) => [name, rows(all, index, index + 1)]));
}

async function denoiseOne(
  pipeline: DiffusionPipeline,
  sample: FloatTensor,
  timestep: number,
  conditioning: Readonly<Record<string, FloatTensor>>,
  softTokens: SoftTokens | null,
): Promise<FloatTensor> {
  const graph = new Graph();
  const embedding = softTokens && (await SoftTokenEmbedding.open(pipeline, softTokens));
  const inputs = {
    sample: input(graph, "sample", sample.shape),
    timestep: input(graph, "timestep", [1]),
    conditioning: Object.fromEntries(
      Object.entries(conditioning).map(([name, { shape }]) => [name, input(graph, name, shape)]),
    ),
    softTokens: embedding && softTokenInput(graph, embedding.form, 1),
  };
  const prediction = pipeline.denoise(graph, inputs);
  const session = await pipeline.engine.compile(writeOnnx(graph, { prediction }, pipeline.engine.target));
  const effective = embedding && (await embedding.at(timestep));
  const results = await session.run({
    sample,
    timestep: floatTensor([1], Float32Array.of(timestep)),
    ...conditioning,
    ...softTokenFeed(effective),
  });
  await session.release();
  await embedding?.release();
  return results.prediction as FloatTensor;
}

const schedulerSchema = z.object({ steps: z.int().positive(), shift: z.number() });

async function* checkScheduler({ folder }: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const { steps, shift } = await readJson(folder, golden.replace(/safetensors$/, "json"), schedulerSchema);
  const scheduler = flowMatchEuler({ num_train_timesteps: 1000, shift });
  const run = scheduler.start(steps);
  const timesteps = floatTensor([steps], Float32Array.from(run.timesteps));
  yield compare("timesteps", timesteps, await file.tensor("timesteps"), limits.module);
  const { sigmas } = scheduler.schedule(steps);
  yield compare(
    "sigmas",
    floatTensor([steps + 1], Float32Array.from(sigmas)),
    await file.tensor("sigmas"),
    limits.module,
  );
  const [outputs, samples] = [await file.tensor("model_outputs"), await file.tensor("samples")];
  const taken: number[] = [];
  let sample = rows(samples, 0, 1);
  taken.push(...sample.data);
  for (let index = 0; index < steps; index++) {
    sample = run.step(index, sample, rows(outputs, index, index + 1), drawNothing);
    taken.push(...sample.data);
  }
  yield compare("samples", floatTensor(samples.shape, Float32Array.from(taken)), samples, limits.sampler);
}

function drawNothing(): never {
  throw new InputError("this scheduler should draw no noise");
}

async function* checkSample({ folder, meta, pipeline }: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const { prompts, negative, steps, guidance_scale: guidanceScale } = meta.sample;
  const { conditioning } = await pipeline.encodePrompts(prompts);
  // As in diffusers, there is a negative branch only above 1.
  const guided = guidanceScale > 1 ? await pipeline.encodePrompts(prompts.map(() => negative)) : null;
  const tokens = golden.includes("soft") ? await softTokensOf(file, "tokens", "t_tokens") : null;
  const embedding = tokens && (await SoftTokenEmbedding.open(pipeline, tokens));
  const initial = await file.tensor("initial");
  const latents = await sampleLatents(pipeline, {
    drawNoise: () => initial,
    conditioning,
    negative: guided?.conditioning ?? null,
    guidanceScale,
    steps,
    softTokens: embedding && { embedding, strength: 1 },
  });
  yield compare("latent", latents, await file.tensor("latent"), limits.sampler);
  yield compare("image", await pipeline.decodeLatents(latents), await file.tensor("image"), limits.sampler);
  await embedding?.release();
}

async function* checkTrainingSteps({ folder, meta, pipeline }: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const { lr, weight_decay, betas, eps, ...loss } = meta.softrepa;
  const [latents, noise, timesteps] = [
    await file.tensor("latents"),
    await file.tensor("noise"),
    await file.tensor("timesteps"),
  ];
  const images = latents.shape[0];
  const { prompts } = await readJson(folder, "prompts.json", textSchema);
  const { conditioning } = await pipeline.encodePrompts(prompts.slice(0, images));
  const softTokens = await softTokensOf(file, "init.tokens", "init.t_tokens");
  const embedding = await SoftTokenEmbedding.open(pipeline, softTokens);
  // A chunk that does not divide the batch, so that the filling up is tested as well.
  const options = { latentShape: latents.shape.slice(1), chunk: Math.max(1, images - 1) };
  const contrast = await ContrastiveStep.open(pipeline, embedding, softRepa(loss), options);
  const settings = { weightDecay: weight_decay, beta1: betas[0], beta2: betas[1], epsilon: eps };
  const schedule = { learningRate: lr, period: 10, minimum: 1e-5 };
  const trained = [
    { name: "tokens", tensor: softTokens.tokens },
    ...(softTokens.timeTable ? [{ name: "t_tokens", tensor: softTokens.timeTable }] : []),
  ].map((part) => ({ ...part, optimizer: new AdamW(part.tensor.data, settings) }));

  for (const [step, timestep] of timesteps.data.entries()) {
    const name = (what: string) => `step${step}.${what}`;
    const result = await contrast.run({ latents, conditioning, noise, timestep });
    const matrix = (values: readonly (readonly number[])[]) =>
      floatTensor([images, images], Float32Array.from(values.flat()));
    yield compare(name("errors"), matrix(result.errors), await file.tensor(name("errors")), limits.error);
    yield compare(name("logits"), matrix(result.logits), await file.tensor(name("logits")), limits.module);
    const value = floatTensor([1], Float32Array.of(result.loss));
    yield compare(name("loss"), value, await file.tensor(name("loss")), limits.error);
    for (const part of trained) {
      const gradient = part.name === "tokens" ? result.gradients.tokens : result.gradients.timeTable;
      if (gradient === null) continue;
      const expected = await file.tensor(name(`grad.${part.name}`));
      yield compare(name(`grad.${part.name}`), gradient, expected, limits.gradient);
      part.optimizer.step(gradient.data, cosineRestarts(schedule, step));
      const after = await file.tensor(name(`after.${part.name}`));
      yield compare(name(`after.${part.name}`), part.tensor, after, limits.parameter);
    }
  }
  await contrast.release();
  await embedding.release();
}

async function softTokensOf(file: GoldenFile, tokens: string, table: string): Promise<SoftTokens> {
  return {
    placement: "prefix",
    tokens: await file.tensor(tokens),
    timeTable: file.has(table) ? await file.tensor(table) : null,
    metadata: {},
  };
}
