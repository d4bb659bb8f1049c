/** @file DDIM inversion: from a clean image to the noise from which DDIM samples it (arXiv 2010.02502; diffusers' DDIMInverseScheduler); on flows, Euler steps backwards. */

import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import type { Conditioning } from "../pipelines/pipeline.js";
import { runSteps } from "../sampling/run-steps.js";
import type { Scheduler } from "../schedulers/index.js";
import type { EditContext } from "./method.js";

export interface Inversion {
  /** Ascending, one per step. */
  readonly timesteps: readonly number[];
  /** The clean latents, then the latents after each step: `latents[i + 1]` is the sample at `timesteps[i]`. */
  readonly latents: readonly [FloatTensor, ...FloatTensor[]];
  /** The sample at a timestep of the inversion. */
  at(timestep: number): FloatTensor;
}

/** Inverts the source in `steps` steps; guidance is off by default. */
export async function ddimInversion(
  { scheduler, source, denoise, drawNoise }: Pick<EditContext, "scheduler" | "source" | "denoise" | "drawNoise">,
  {
    steps,
    prompt,
    guidance = 1,
  }: { readonly steps: number; readonly prompt: Conditioning; readonly guidance?: number },
): Promise<Inversion> {
  const run = scheduler.startInverse(steps);
  const latents: [FloatTensor, ...FloatTensor[]] = [source];
  await runSteps(run, run.begin(source), {
    predict: async (sample, timestep) => (await denoise([{ sample, prompt, guidance }], timestep))[0],
    drawNoise,
    afterStep(state) {
      latents.push(state.sample);
      return state;
    },
  });
  return {
    timesteps: run.timesteps,
    latents,
    at: (timestep) => at(latents, run.timesteps.indexOf(timestep) + 1),
  };
}

/** Rejects an inversion whose timesteps lack sampling timesteps, and names the first that are missing. */
export function requireTimesteps(scheduler: Scheduler, steps: number, inversionSteps: number): void {
  const inverted = new Set(scheduler.startInverse(inversionSteps).timesteps);
  const missing = scheduler.start(steps).timesteps.filter((timestep) => !inverted.has(timestep));
  if (missing.length === 0) return;
  throw new UsageError(
    `\`inversionSteps\` ${inversionSteps} lacks timesteps of the ${steps} sampling steps, such as ${missing.slice(0, 3).join(", ")}: use ${steps} or 999`,
  );
}
