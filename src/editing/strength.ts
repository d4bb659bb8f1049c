/** @file Strength of image to image: how many steps run, in double precision like diffusers' pipelines. */

import { parametrisations, type Scheduler } from "../schedulers/index.js";

/** Whether a model is a rectified flow (Stable Diffusion 3) and not a noise-prediction model (UNets). */
export function isFlow({ parametrisation }: Scheduler): boolean {
  return parametrisation === parametrisations.flow;
}

/**
 * Returns how many of `steps` to skip at the noisy end for a strength of 0..1 (get_timesteps of diffusers 0.32's StableDiffusionImg2ImgPipeline
 * and StableDiffusion3Img2ImgPipeline). UNets round down the steps that run, flows round down the steps that are skipped: 10 steps at 0.55 run
 * 5 and 6 steps.
 */
export function skippedSteps(scheduler: Scheduler, steps: number, strength: number): number {
  if (isFlow(scheduler)) return Math.trunc(Math.max(steps - Math.min(steps * strength, steps), 0));
  return Math.max(steps - Math.min(Math.trunc(steps * strength), steps), 0);
}
