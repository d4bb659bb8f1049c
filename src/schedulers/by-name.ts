/** @file Schedulers by name; each works with any scheduler_config.json of a diffusion model. */

import { InputError } from "../core/errors.js";
import { ddim } from "./ddim.js";
import type { DiffusionConfig } from "./diffusion-config.js";
import { dpmSolverMultistep } from "./dpm-solver.js";
import { euler, eulerAncestral } from "./euler.js";
import { pndm } from "./pndm.js";
import type { Scheduler } from "./scheduler.js";

export const diffusionSchedulerNames = [
  "ddim",
  "pndm",
  "euler",
  "euler-ancestral",
  "dpmpp-2m",
  "dpmpp-2m-karras",
] as const;
export type DiffusionSchedulerName = (typeof diffusionSchedulerNames)[number];

/** Each reads betas, prediction type and timestep spacing from the same configuration. */
export const diffusionSchedulers: Readonly<Record<DiffusionSchedulerName, (config: DiffusionConfig) => Scheduler>> = {
  ddim,
  pndm,
  euler,
  "euler-ancestral": eulerAncestral,
  "dpmpp-2m": dpmSolverMultistep,
  "dpmpp-2m-karras": (config) => dpmSolverMultistep({ ...config, use_karras_sigmas: true }),
};

/**
 * The scheduler of the config's class.
 *
 * @param file is named in messages
 * @throws InputError if the class is not supported
 */
export function schedulerFromConfig(config: DiffusionConfig, file: string): Scheduler {
  switch (config._class_name) {
    case "DDIMScheduler":
      return ddim(config);
    case "PNDMScheduler":
      return pndm(config);
    case "EulerDiscreteScheduler":
      return euler(config);
    case "EulerAncestralDiscreteScheduler":
      return eulerAncestral(config);
    case "DPMSolverMultistepScheduler":
      requireDpmSolverPlusPlus(config, file);
      return dpmSolverMultistep(config);
    default:
      throw unsupported(file, config._class_name);
  }
}

/** Of DPM-Solver's methods only DPM-Solver++ 2M is supported; diffusers maps some methods of other schedulers to it. */
function requireDpmSolverPlusPlus(config: DiffusionConfig, file: string): void {
  for (const [key, supported] of [
    ["algorithm_type", ["dpmsolver++", "deis"]],
    ["solver_order", [2]],
    ["solver_type", ["midpoint", "logrho", "bh1", "bh2"]],
    ["lambda_min_clipped", [null]],
  ] as const) {
    const value = config[key] ?? null;
    if (!supported.some((one) => one === value)) throw unsupported(file, `${config._class_name} with ${key} ${value}`);
  }
}

function unsupported(file: string, what: string): InputError {
  return new InputError(`${file} names ${what}: choose one of ${diffusionSchedulerNames.join(", ")}`);
}
