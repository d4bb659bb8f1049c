/** @file DDIM (arXiv 2010.02502) without noise, as diffusers' DDIMScheduler and DDIMInverseScheduler compute it. */

import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { booleanSetting, type DiffusionConfig } from "./diffusion-config.js";
import { firstOrder } from "./first-order.js";
import { levelOfAlpha } from "./noise-level.js";
import { noiseSchedule } from "./noise-schedule.js";
import { createRun, inverted, type Step, stepsFrom } from "./run.js";
import type { Scheduler } from "./scheduler.js";
import { roundHalfToEven, spacedTimesteps } from "./timestep-spacing.js";

export function ddim(config: DiffusionConfig): Scheduler {
  const { alphas, ...schedule } = noiseSchedule(config);
  const { trainTimesteps, parametrisation } = schedule;
  const setAlphaToOne = booleanSetting(config, config.set_alpha_to_one, "DDIMScheduler", {
    owner: true,
    others: false,
  });
  const clipSample = booleanSetting(config, config.clip_sample, "DDIMScheduler", { owner: true, others: false });
  const finalAlpha = setAlphaToOne ? 1 : at(alphas, 0);
  const levelOf = (timestep: number) => levelOfAlpha(timestep >= 0 ? at(alphas, timestep) : finalAlpha);
  const update = firstOrder(
    parametrisation,
    clipSample ? (clean) => clamp(clean, config.clip_sample_range) : undefined,
  );

  function path(steps: number): Step[] {
    const spacing = config.timestep_spacing ?? "leading";
    const spaced = spacedTimesteps({ spacing, steps, trainTimesteps, offset: config.steps_offset });
    const stride = Math.floor(trainTimesteps / steps);
    return spaced
      .map(roundHalfToEven)
      .map((timestep) => ({ timestep, from: levelOf(timestep), to: levelOf(timestep - stride) }));
  }

  return {
    ...schedule,
    title: "DDIM",
    start: (steps, options) => createRun(stepsFrom(path(steps), options), update),
    startInverse: (steps, options) => createRun(inverted(stepsFrom(path(steps), options)), update),
  };
}

function clamp({ shape, data }: FloatTensor, range: number): FloatTensor {
  return floatTensor(
    shape,
    data.map((x) => Math.min(Math.max(x, -range), range)),
  );
}
