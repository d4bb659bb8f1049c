/** @file How many steps run at a strength of image to image, in double arithmetic as diffusers' pipelines have it. */

import { parametrisations, type Scheduler } from "../schedulers/index.js";

/** Whether a model is a rectified flow (Stable Diffusion 3), rather than a diffusion of noise (UNets). */
export function isFlow({ parametrisation }: Scheduler): boolean {
  return parametrisation === parametrisations.flow;
}

/**
 * The steps to skip at the noisy end, of `steps`, at a strength of 0..1 (get_timesteps of diffusers 0.32's StableDiffusionImg2ImgPipeline
 * and StableDiffusion3Img2ImgPipeline). UNets round the number of steps that run down, flows the number that is skipped: of 10 steps at 0.55,
 * 5 and 6 run.
 */
export function skippedSteps(scheduler: Scheduler, steps: number, strength: number): number {
  if (isFlow(scheduler)) return Math.trunc(Math.max(steps - Math.min(steps * strength, steps), 0));
  return Math.max(steps - Math.min(Math.trunc(steps * strength), steps), 0);
}
