/** @file Goldens of image editing. */

import { z } from "zod";
import { InputError } from "#softrepa/core/errors.js";
import { Generator } from "#softrepa/core/random.js";
import { concatRows, type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { ddimInversion } from "#softrepa/editing/ddim-inversion.js";
import { type ContextRequest, withContext } from "#softrepa/editing/edit-context.js";
import { flowAlign, flowEdit, inpaint, masaCtrl, plugAndPlay, sdEdit } from "#softrepa/editing/index.js";
import { latentMask } from "#softrepa/editing/mask.js";
import type { EditMethod } from "#softrepa/editing/method.js";
import { isFlow, skippedSteps } from "#softrepa/editing/strength.js";
import { runSteps } from "#softrepa/sampling/run-steps.js";
import { type Comparison, compare, type Limit, limits } from "./compare.js";
import { drawsOf, EditCase, type EditSettings, type EditSubject, readImage, stacked } from "./edit-case.js";
import { readJson } from "./golden-file.js";

const editLimits = {
  latents: { kind: "each", absolute: 5e-4, relative: 1e-3 },
  source: { kind: "each", absolute: 2e-4, relative: 1e-3 },
  image: { kind: "each", absolute: 2e-3, relative: 5e-3 },
  flowTimesteps: { kind: "each", absolute: 1e-3, relative: 0 },
  sigmas: { kind: "each", absolute: 1e-6, relative: 0 },
  draws: { kind: "each", absolute: 1e-5, relative: 1e-5 },
  errors: { kind: "each", absolute: 0, relative: 0.01 },
} as const satisfies Record<string, Limit>;

/** The method of a golden, with its settings. */
function methodOf(settings: EditSettings): EditMethod {
  const { steps, strength: imageStrength, guidance_scale: guidance } = settings;
  switch (settings.method) {
    case "img2img":
      return sdEdit({ steps, imageStrength, guidance });
    case "inpaint":
      return inpaint({ steps, imageStrength, guidance });
    case "flowedit":
      return flowEdit({
        steps,
        nMax: settings.n_max,
        nMin: settings.n_min,
        averages: settings.n_avg,
        sourceGuidance: settings.source_guidance,
        targetGuidance: settings.target_guidance,
      });
    case "flowalign":
      return flowAlign({ steps, nMax: settings.n_max, guidance, sourceTerm: settings.source_term });
    case "pnp":
      return plugAndPlay({
        steps,
        inversionSteps: settings.inversion_steps,
        inversionPrompt: settings.inversion_prompt,
        features: settings.feature_threshold,
        attention: settings.attention_threshold,
        guidance,
      });
    case "masactrl":
      return masaCtrl({
        steps,
        inversionPrompt: settings.inversion_prompt,
        fromStep: settings.start_step,
        fromLayer: settings.start_layer,
        referenceLatents: settings.reference_latents,
        guidance,
      });
    default:
      throw new InputError(`the golden's editing method ${settings.method} is unknown`);
  }
}

export async function* checkEdit(subject: EditSubject, golden: string): AsyncGenerator<Comparison> {
  const edit = await EditCase.open(subject, golden);
  yield* checkInputs(edit);
  if (edit.settings.method === "ddim inversion") yield* checkInversion(edit);
  else yield* checkMethod(edit);
}

/** The encoded image, the mask, and the seed's noise. */
async function* checkInputs(edit: EditCase): AsyncGenerator<Comparison> {
  const { subject, settings, file } = edit;
  const source = await file.tensor("source");
  const noise = file.has("posterior_noise") ? await file.tensor("posterior_noise") : undefined;
  const encoded = await subject.pipeline.encodeImages(await readImage(subject, settings.image), { noise });
  yield compare("source", encoded, source, editLimits.source);
  const mask = await edit.mask();
  if (mask !== null) {
    const [, , height, width] = source.shape;
    const expected = await file.tensor("mask");
    yield compare("mask", floatTensor(expected.shape, Float32Array.from(mask.data)), expected, limits.exact);
    yield compare("latent_mask", latentMask(mask, width, height), await file.tensor("latent_mask"), limits.exact);
  }
  const draws = await edit.draws(["posterior_noise", "noise", "noises", "final_noise"]);
  if (settings.seed !== undefined && draws.length > 0) {
    const generator = new Generator(settings.seed);
    const drawn = draws.map(({ shape }) => generator.normal(shape));
    yield compare("draws", concatRows(drawn), concatRows(draws), editLimits.draws);
  }
}

async function* checkMethod(edit: EditCase): AsyncGenerator<Comparison> {
  const { subject, settings, file } = edit;
  const { pipeline } = subject;
  const { scheduler } = pipeline;
  const prepared = methodOf(settings).prepare({ ...pipeline, family: pipeline.family, softTokens: settings.soft });
  if (settings.steps_run !== undefined) yield exactly("steps_run", [prepared.stepsRun], [settings.steps_run]);
  const samples: FloatTensor[] = [];
  const inputs = { ...(await inputsOf(edit)), onSample: (sample: FloatTensor) => samples.push(sample) };
  const latent = await withContext(pipeline, inputs, (context) => prepared.run(context));
  const run = scheduler.start(settings.steps, { from: settings.steps - prepared.stepsRun });
  if (file.has("timesteps")) {
    const expected = await file.tensor("timesteps");
    const all = expected.data.length === settings.steps ? scheduler.start(settings.steps) : run;
    const limit = isFlow(scheduler) ? editLimits.flowTimesteps : limits.exact;
    yield compare("timesteps", listed(all.timesteps), expected, limit);
    const sigmas = listed(all.levels.map(({ sigma }) => sigma));
    if (file.has("sigmas")) yield compare("sigmas", sigmas, await file.tensor("sigmas"), editLimits.sigmas);
  }
  if (file.has("source_latents")) yield* checkStoredInversion(edit);
  yield compare("samples", stacked(samples), await file.tensor("samples"), editLimits.latents);
  yield compare("latent", latent, await file.tensor("latent"), editLimits.latents);
  yield compare("image", await pipeline.decodeLatents(latent), await file.tensor("image"), editLimits.image);
}

/** The inversion of Plug-and-Play and MasaCtrl: the clean latents, then those at the timesteps that sampling passes. */
async function* checkStoredInversion(edit: EditCase): AsyncGenerator<Comparison> {
  const { subject, settings, file } = edit;
  const { steps, inversion_steps: inversionSteps = steps, inversion_prompt: prompt = "" } = settings;
  const inversion = await withContext(subject.pipeline, await inputsOf(edit), async (context) =>
    ddimInversion(context, { steps: inversionSteps, prompt: await context.encode(prompt) }),
  );
  const expected = await file.tensor("inversion_timesteps");
  yield compare("inversion_timesteps", listed(inversion.timesteps), expected, limits.exact);
  const passed = subject.pipeline.scheduler.start(steps).timesteps.toReversed();
  const stored = stacked([inversion.latents[0], ...passed.map((timestep) => inversion.at(timestep))]);
  yield compare("source_latents", stored, await file.tensor("source_latents"), editLimits.latents);
}

async function* checkInversion(edit: EditCase): AsyncGenerator<Comparison> {
  const { subject, settings, file } = edit;
  const { up, down } = await thereAndBack(subject, await inputsOf(edit), settings);
  yield compare("timesteps", listed(up.timesteps), await file.tensor("timesteps"), limits.exact);
  yield compare("samples", stacked(up.latents), await file.tensor("samples"), editLimits.latents);
  const inverted = up.latents[up.latents.length - 1];
  yield compare("inverted", inverted, await file.tensor("inverted"), editLimits.latents);
  const expected = await file.tensor("reconstruction_timesteps");
  yield compare("reconstruction_timesteps", listed(down.timesteps), expected, limits.exact);
  const back = stacked([inverted, ...down.samples]);
  yield compare("reconstruction_samples", back, await file.tensor("reconstruction_samples"), editLimits.latents);
  const latent = down.samples[down.samples.length - 1];
  yield compare("latent", latent, await file.tensor("latent"), editLimits.latents);
  const image = await subject.pipeline.decodeLatents(latent);
  yield compare("image", image, await file.tensor("image"), editLimits.image);
}

/** Checks DDIM inversion, and sampling from the inverted latents. */
function thereAndBack(
  { pipeline }: EditSubject,
  inputs: ContextRequest,
  { steps, guidance_scale: guidance = 1 }: Pick<EditSettings, "steps" | "guidance_scale">,
) {
  return withContext(pipeline, inputs, async (context) => {
    const prompt = await context.encode(context.prompts.target);
    const up = await ddimInversion(context, { steps, prompt, guidance });
    const run = context.scheduler.start(steps);
    const samples: FloatTensor[] = [];
    await runSteps(run, run.begin(up.latents[up.latents.length - 1]), {
      predict: async (sample, timestep) => (await context.denoise([{ sample, prompt, guidance }], timestep))[0],
      drawNoise: drawsOf([]),
      afterStep(state) {
        samples.push(state.sample);
        return state;
      },
    });
    return { up, down: { timesteps: run.timesteps, samples } };
  });
}

/** The golden's source, mask, noise and soft tokens. */
async function inputsOf(edit: EditCase): Promise<ContextRequest> {
  const { subject, settings, file, softTokens, negative } = edit;
  const target = settings.target_prompt ?? settings.prompt ?? "";
  return {
    cache: subject.cache,
    source: await file.tensor("source"),
    mask: file.has("latent_mask") ? await file.tensor("latent_mask") : null,
    prompts: { source: settings.source_prompt ?? "", target },
    negative,
    softTokens,
    drawNoise: drawsOf(await edit.draws(["noise", "noises", "final_noise"])),
  };
}

const strengthSchema = z.object({
  rows: z.array(
    z.object({
      steps: z.int(),
      strength: z.number(),
      steps_run: z.int(),
      first_timestep: z.number().nullish(),
      first_sigma: z.number().nullish(),
    }),
  ),
});

/** The format of strength.json. */
export async function* checkStrength({ folder, pipeline }: EditSubject, golden: string): AsyncGenerator<Comparison> {
  const { rows } = await readJson(folder, golden, strengthSchema);
  const runs = rows.map(({ steps, strength }) => {
    const skipped = skippedSteps(pipeline.scheduler, steps, strength);
    return { count: steps - skipped, run: pipeline.scheduler.start(steps, { from: skipped }) };
  });
  const counts = runs.map(({ count }) => count);
  yield exactly(
    "steps_run",
    counts,
    rows.map((row) => row.steps_run),
  );
  const [first, expected]: [number[], number[]] = [[], []];
  for (const [index, { run }] of runs.entries()) {
    const { first_timestep: timestep, first_sigma: sigma } = rows[index];
    // A row without steps has neither, and must be given none.
    first.push((sigma === undefined ? run.timesteps[0] : run.levels[0]?.sigma) ?? -1);
    expected.push(timestep ?? sigma ?? -1);
  }
  const limit = isFlow(pipeline.scheduler) ? editLimits.sigmas : limits.exact;
  yield compare("first", listed(first), listed(expected), limit);
}

const errorsSchema = z.object({
  prompt: z.string(),
  image: z.string(),
  guidance_scale: z.number(),
  errors: z.record(z.string(), z.number()),
});

/** The format of invert-errors.json: mean absolute errors of reconstructed latents. */
export async function* checkInversionErrors(subject: EditSubject, golden: string): AsyncGenerator<Comparison> {
  const { errors, prompt, image, ...settings } = await readJson(subject.folder, golden, errorsSchema);
  const source = await subject.pipeline.encodeImages(await readImage(subject, image));
  const inputs: ContextRequest = {
    cache: subject.cache,
    source,
    mask: null,
    prompts: { source: "", target: prompt },
    negative: "",
    softTokens: null,
    drawNoise: drawsOf([]),
  };
  for (const [steps, expected] of Object.entries(errors)) {
    const { down } = await thereAndBack(subject, inputs, { ...settings, steps: Number(steps) });
    const back = down.samples[down.samples.length - 1];
    const error = back.data.reduce((sum, x, i) => sum + Math.abs(x - source.data[i]), 0) / back.data.length;
    yield compare(`${steps} steps`, listed([error]), listed([expected]), editLimits.errors);
  }
}

function listed(values: readonly number[]): FloatTensor {
  return floatTensor([values.length], Float32Array.from(values));
}

function exactly(name: string, actual: readonly number[], expected: readonly number[]): Comparison {
  return compare(name, listed(actual), listed(expected), limits.exact);
}
