/** @file DDIM inversion: from a clean image to the noise that DDIM makes it of (arXiv 2010.02502; diffusers' DDIMInverseScheduler). */

import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import type { Conditioning } from "../pipelines/pipeline.js";
import { runSteps } from "../sampling/run-steps.js";
import type { Scheduler } from "../schedulers/index.js";
import type { EditContext } from "./method.js";

export interface Inversion {
  /** Of each step, ascending. */
  readonly timesteps: readonly number[];
  /** The clean latents, then those after each step: `latents[i + 1]` is the sample at `timesteps[i]`. */
  readonly latents: readonly [FloatTensor, ...FloatTensor[]];
  /** The sample at a timestep of the inversion. */
  at(timestep: number): FloatTensor;
}

/** Inverts the source in `steps` steps, with guidance if there is any. */
export async function ddimInversion(
  { scheduler, source, denoise, drawNoise }: Pick<EditContext, "scheduler" | "source" | "denoise" | "drawNoise">,
  { steps, text, guidance = 1 }: { readonly steps: number; readonly text: Conditioning; readonly guidance?: number },
): Promise<Inversion> {
  const run = scheduler.startInverse(steps);
  const latents: [FloatTensor, ...FloatTensor[]] = [source];
  await runSteps(run, run.begin(source), {
    predict: async (sample, timestep) => (await denoise([{ sample, text, guidance }], timestep))[0],
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

/** Refuses numbers of steps whose inversion does not pass every sampling timestep; names the first that is missing. */
export function requireTimesteps(scheduler: Scheduler, steps: number, inversionSteps: number): void {
  const inverted = new Set(scheduler.startInverse(inversionSteps).timesteps);
  const missing = scheduler.start(steps).timesteps.filter((timestep) => !inverted.has(timestep));
  if (missing.length === 0) return;
  throw new UsageError(
    `\`inversionSteps\` ${inversionSteps} lacks timesteps of the ${steps} sampling steps, such as ${missing.slice(0, 3).join(", ")}: take ${steps}, a multiple of it, or 999`,
  );
}
