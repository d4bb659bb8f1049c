/** @file Goldens of schedulers and of whole sampling runs. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "#softrepa/core/errors.js";
import { concatRows, type FloatTensor, floatTensor, rows } from "#softrepa/core/tensor.js";
import { encodeForGuidance, selectConditioning } from "#softrepa/pipelines/conditioning.js";
import { sampleLatents } from "#softrepa/sampling/sample.js";
import {
  type DiffusionSchedulerName,
  diffusionSchedulers,
  flowMatchEuler,
  parseDiffusionConfig,
  type Scheduler,
} from "#softrepa/schedulers/index.js";
import { SoftTokenEmbedding } from "#softrepa/softtokens/embedding.js";
import { type Comparison, compare, limits } from "./compare.js";
import { GoldenFile, readJson } from "./golden-file.js";
import { type Subject, softTokensOf } from "./subject.js";

/** Schedulers by their names in goldens. */
const schedulerNames: Readonly<Record<string, DiffusionSchedulerName>> = {
  ddim: "ddim",
  pndm: "pndm",
  euler: "euler",
  "euler-ancestral": "euler-ancestral",
  dpmpp2m: "dpmpp-2m",
  "dpmpp2m-karras": "dpmpp-2m-karras",
};

const schedulerSchema = z.object({
  steps: z.int().positive(),
  kind: z.string().optional(),
  /** For flow matching. */
  shift: z.number().optional(),
  /** A scheduler_config.json that replaces the pipeline's. */
  config: z.record(z.string(), z.unknown()).optional(),
});

export async function* checkScheduler(subject: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(subject.folder, golden));
  const settings = await readJson(subject.folder, golden.replace(/safetensors$/, "json"), schedulerSchema);
  const run = openScheduler(subject, settings).start(settings.steps);
  const asTensor = (values: readonly number[]) => floatTensor([values.length], Float32Array.from(values));
  yield compare("timesteps", asTensor(run.timesteps), await file.tensor("timesteps"), limits.module);
  const sigmas = run.levels.map(({ sigma }) => sigma);
  if (file.has("sigmas")) yield compare("sigmas", asTensor(sigmas), await file.tensor("sigmas"), limits.module);
  const [outputs, samples] = [await file.tensor("model_outputs"), await file.tensor("samples")];
  const noises = file.has("noises") ? await file.tensor("noises") : null;
  let state = run.begin(rows(samples, 0, 1));
  const taken = [state.sample];
  for (const index of run.timesteps.keys()) {
    state = run.step(state, rows(outputs, index, index + 1), () => noiseOf(noises, index));
    taken.push(state.sample);
  }
  yield compare("samples", concatRows(taken), samples, limits.sampler);
}

/** The scheduler of a golden, with the pipeline's noise schedule unless the golden has a config. */
function openScheduler({ pipeline }: Subject, { kind, shift, config }: z.infer<typeof schedulerSchema>): Scheduler {
  if (shift !== undefined) return flowMatchEuler({ num_train_timesteps: 1000, shift });
  const name = schedulerNames[kind ?? ""];
  if (name === undefined) throw new InputError(`the golden's scheduler kind ${kind} is unknown`);
  return config ? diffusionSchedulers[name](parseDiffusionConfig(config)) : pipeline.schedulerNamed(name);
}

function noiseOf(noises: FloatTensor | null, step: number): FloatTensor {
  if (noises === null) throw new InputError("the golden has no noise, but the scheduler needs it");
  return rows(noises, step, step + 1);
}

export async function* checkSample(subject: Subject, golden: string): AsyncGenerator<Comparison> {
  const { folder, meta, pipeline } = subject;
  const file = await GoldenFile.open(join(folder, golden));
  const { prompts, negative, steps, guidance_scale: guidanceScale } = meta.sample;
  // As in diffusers, only a guidance scale above 1 has a negative branch; "zeros" means the empty prompt.
  const away = guidanceScale > 1 ? negative.replace(/^zeros$/, "") : null;
  const texts = await encodeForGuidance(pipeline, prompts, away);
  const names = { tokens: "tokens", table: "t_tokens" };
  const tokens = golden.includes("soft") ? await softTokensOf(subject, golden, file, names) : null;
  const embedding = tokens && (await SoftTokenEmbedding.open(pipeline, tokens));
  const scheduler = schedulerNames[meta.sample.scheduler ?? ""];
  const initial = await file.tensor("initial");
  const draws = [initial, ...(file.has("noises") ? eachOf(await file.tensor("noises")) : [])];
  const latents = await sampleLatents(pipeline, {
    shape: initial.shape,
    drawNoise: () => {
      const noise = draws.shift();
      if (noise === undefined) throw new InputError("the golden has less noise than the scheduler needs");
      return noise;
    },
    conditioning: texts.conditioning,
    negative:
      texts.negative &&
      selectConditioning(
        texts.negative,
        Array.from(prompts, () => 0),
      ),
    guidanceScale,
    steps,
    scheduler: scheduler && pipeline.schedulerNamed(scheduler),
    softTokens: embedding && { embedding, strength: 1 },
  });
  yield compare("latent", latents, await file.tensor("latent"), limits.sampler);
  yield compare("image", await pipeline.decodeLatents(latents), await file.tensor("image"), limits.sampler);
  await embedding?.release();
}

/** Slices along the first axis. */
function eachOf(tensor: FloatTensor): FloatTensor[] {
  return Array.from({ length: tensor.shape[0] }, (_, index) => {
    const { shape, data } = rows(tensor, index, index + 1);
    return floatTensor(shape.slice(1), data);
  });
}
