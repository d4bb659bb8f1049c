/**
 * @file Euler steps along a rectified flow with shifted noise levels (Esser et al. 2024, arXiv 2403.03206, section 5.3.2) as in
 * diffusers' FlowMatchEulerDiscreteScheduler, the scheduler of Stable Diffusion 3 and 3.5.
 *
 * A sample at noise level s is x_s = (1-s) x_0 + s eps, and the model predicts the velocity dx/ds = eps - x_0.
 */

import { z } from "zod";
import { InputError, UsageError } from "../core/errors.js";
import { floatTensor, formatShape, sameShape } from "../core/tensor.js";
import { flowLevel } from "./noise-level.js";
import { parametrisations } from "./parametrisation.js";
import { createRun, inverted, type Step, stepsFrom, type Update } from "./run.js";
import type { Scheduler } from "./scheduler.js";

const className = "FlowMatchEulerDiscreteScheduler";

const off = (hint = "") => z.literal(false, { error: `not supported${hint}` }).nullish();

/** scheduler_config.json; unsupported settings that would change results must be off. */
const schedulerConfig = z.looseObject({
  _class_name: z.literal(className, { error: `not supported here, only ${className}` }).optional(),
  num_train_timesteps: z.int().min(1).default(1000),
  shift: z.number().positive().default(1),
  shift_terminal: z.null({ error: "not supported" }).optional(),
  invert_sigmas: off(),
  stochastic_sampling: off(),
  use_dynamic_shifting: off(" (a shift that depends on the image's size)"),
  use_karras_sigmas: off(),
  use_exponential_sigmas: off(),
  use_beta_sigmas: off(),
});

/**
 * Creates the scheduler from the content of scheduler_config.json.
 *
 * @param file is named in messages
 * @throws InputError if a setting is invalid or not supported
 */
export function flowMatchEuler(config: unknown, file = "scheduler_config.json"): Scheduler {
  const parsed = schedulerConfig.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError([file, ...(issue?.path ?? []), issue?.message].join(": "));
  }
  const { num_train_timesteps: trainTimesteps, shift } = parsed.data;
  const lowest = lowestTrainSigma(trainTimesteps, shift);

  function path(steps: number): Step[] {
    if (!Number.isInteger(steps) || steps < 1)
      throw new UsageError(`steps must be an integer of at least 1, not ${steps}`);
    // Evenly spaced from the highest to the lowest noise level of training, which is already shifted; like diffusers, this shifts again.
    const first = trainTimesteps;
    const last = lowest * trainTimesteps;
    const sigmas = Array.from({ length: steps }, (_, i) => {
      const even = i === 0 ? first : i === steps - 1 ? last : i * ((last - first) / (steps - 1)) + first;
      return Math.fround(shifted(even / trainTimesteps, shift));
    });
    return sigmas.map((sigma, i) => ({
      // Not rounded to an integer.
      timestep: Math.fround(sigma * trainTimesteps),
      from: flowLevel(sigma),
      to: flowLevel(sigmas[i + 1] ?? 0),
    }));
  }

  return {
    title: "Flow Match Euler",
    trainTimesteps,
    parametrisation: parametrisations.flow,
    levelAt: (timestep) => flowLevel(timestep / trainTimesteps),
    start: (steps, options) => createRun(stepsFrom(path(steps), options), eulerStep),
    startInverse: (steps, options) => createRun(inverted(stepsFrom(path(steps), options)), eulerStep),
  };
}

/** x_to = x_from + (sigma_to - sigma_from) v, where v is the model's output at x_from. */
const eulerStep: Update = ({ step: { from, to }, sample, output }) => {
  if (!sameShape(sample.shape, output.shape)) {
    throw new RangeError(`an output ${formatShape(output.shape)} does not fit a sample ${formatShape(sample.shape)}`);
  }
  const difference = Math.fround(to.sigma - from.sigma);
  const next = sample.data.map((x, i) => x + Math.fround(difference * (output.data[i] ?? 0)));
  return { sample: floatTensor(sample.shape, next) };
};

/** A shift above 1 moves steps to high noise levels. */
function shifted(sigma: number, shift: number): number {
  return (shift * sigma) / (1 + (shift - 1) * sigma);
}

/** The noise level of timestep 1 after the shift, rounded where diffusers' float32 tensors round. */
function lowestTrainSigma(trainTimesteps: number, shift: number): number {
  const sigma = Math.fround(1 / trainTimesteps);
  return Math.fround(Math.fround(shift * sigma) / Math.fround(1 + Math.fround((shift - 1) * sigma)));
}
