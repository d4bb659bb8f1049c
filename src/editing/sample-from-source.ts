/** @file Sampling from the noised source: the loop shared by image to image and inpainting. */

import { z } from "zod";
import type { FloatTensor } from "../core/tensor.js";
import { runSteps } from "../sampling/run-steps.js";
import type { RunState } from "../schedulers/index.js";
import { keepOutside } from "./keep-outside.js";
import type { EditContext, EditedModel, PreparedEdit } from "./method.js";
import { guidanceOption, stepsOption, strengthOption } from "./options.js";
import { skippedSteps } from "./strength.js";

export const fromSourceOptions = (strength: number) =>
  z.strictObject({
    steps: stepsOption("the model's own"),
    imageStrength: strengthOption(strength),
    guidance: guidanceOption("the model's own"),
  });
export type FromSourceOptions = z.output<ReturnType<typeof fromSourceOptions>>;

/** The first sample: the source noised to the first timestep, or pure noise. */
export type Start = "noised" | "noise";

export function prepareFromSource(
  given: FromSourceOptions,
  { scheduler, defaults }: EditedModel,
  preset: number,
  startOf: (strength: number) => Start,
): PreparedEdit {
  const { steps = defaults.steps, imageStrength = preset, guidance = defaults.guidanceScale } = given;
  const skipped = skippedSteps(scheduler, steps, imageStrength);
  const stepsRun = steps - skipped;
  const start = startOf(imageStrength);
  return {
    settings: { steps, imageStrength, guidance },
    stepsRun,
    denoiserRuns: stepsRun,
    run: (context) => sampleFromSource(context, { steps, skipped, guidance, start }),
  };
}

/**
 * With a mask, each step resets the latents outside it to the source with the same noise at the next timestep, and the last step resets
 * them to the source (as in diffusers' inpainting pipelines).
 */
async function sampleFromSource(
  { scheduler, source, mask, prompts, encode, denoise, drawNoise, onSample }: EditContext,
  {
    steps,
    skipped,
    guidance,
    start,
  }: { readonly steps: number; readonly skipped: number; readonly guidance: number; readonly start: Start },
): Promise<FloatTensor> {
  const run = scheduler.start(steps, { from: skipped });
  if (run.timesteps.length === 0) {
    onSample(source);
    return source;
  }
  const prompt = await encode(prompts.target);
  const noise = drawNoise();
  const first = start === "noise" ? noise : run.addNoise(source, noise);
  onSample(first);
  const { sample } = await runSteps(run, run.begin(first), {
    predict: async (input, timestep) => (await denoise([{ sample: input, prompt, guidance }], timestep))[0],
    drawNoise,
    afterStep(state): RunState {
      const kept = state.index < run.timesteps.length ? run.addNoise(source, noise, state.index) : source;
      const sample = keepOutside(mask, kept, state.sample);
      onSample(sample);
      return { ...state, sample };
    },
  });
  return sample;
}
