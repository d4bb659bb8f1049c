/**
 * @file Euler steps along a rectified flow with shifted noise levels (Esser et al. 2024, arXiv 2403.03206, section 5.3.2), as
 * diffusers' FlowMatchEulerDiscreteScheduler computes them: the scheduler of Stable Diffusion 3 and 3.5.
 *
 * A sample at noise level s is x_s = (1-s) x_0 + s eps, and the model predicts the velocity dx/ds = eps - x_0.
 */

import { z } from "zod";
import { InputError, UsageError } from "../core/errors.js";
import { type FloatTensor, floatTensor, formatShape, sameShape } from "../core/tensor.js";
import type { Scheduler, SchedulerRun } from "./scheduler.js";

const className = "FlowMatchEulerDiscreteScheduler";

const off = (hint = "") => z.literal(false, { error: `not supported${hint}` }).nullish();

/** scheduler_config.json; settings that would change the numbers and are not computed here must be off. */
const schedulerConfig = z.looseObject({
  _class_name: z.literal(className, { error: `not supported here, only ${className}` }).optional(),
  num_train_timesteps: z.int().min(1).default(1000),
  shift: z.number().positive().default(1),
  shift_terminal: z.null({ error: "not supported" }).optional(),
  invert_sigmas: off(),
  stochastic_sampling: off(),
  use_dynamic_shifting: off(" (a shift that depends on the picture's size)"),
  use_karras_sigmas: off(),
  use_exponential_sigmas: off(),
  use_beta_sigmas: off(),
});

/** Noise levels of a run. */
export interface FlowSchedule {
  /** What the model is told: noise levels times the number of training timesteps, not rounded to whole ones. */
  readonly timesteps: readonly number[];
  /** The noise level before each step, and after the last one 0. */
  readonly sigmas: readonly number[];
}

export interface FlowMatchEuler extends Scheduler {
  schedule(steps: number): FlowSchedule;
}

/** `config` is the content of scheduler_config.json; `file` names it in messages. */
export function flowMatchEuler(config: unknown, file = "scheduler_config.json"): FlowMatchEuler {
  const parsed = schedulerConfig.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError([file, ...(issue?.path ?? []), issue?.message].join(": "));
  }
  const { num_train_timesteps: trainTimesteps, shift } = parsed.data;
  const lowest = lowestTrainSigma(trainTimesteps, shift);

  function schedule(steps: number): FlowSchedule {
    if (!Number.isInteger(steps) || steps < 1) throw new UsageError(`steps is a whole number from 1 up, got ${steps}`);
    // Evenly spaced from the highest to the lowest noise level of training. Those are shifted already, and all are shifted
    // once more: odd, but it is how diffusers samples, and what the goldens hold.
    const first = trainTimesteps;
    const last = lowest * trainTimesteps;
    const sigmas = Array.from({ length: steps }, (_, i) => {
      const even = i === 0 ? first : i === steps - 1 ? last : i * ((last - first) / (steps - 1)) + first;
      return Math.fround(shifted(even / trainTimesteps, shift));
    });
    return { timesteps: sigmas.map((sigma) => Math.fround(sigma * trainTimesteps)), sigmas: [...sigmas, 0] };
  }

  function start(steps: number): SchedulerRun {
    const { timesteps, sigmas } = schedule(steps);
    return {
      timesteps,
      sigmas,
      initialScale: 1,
      scaleInput: (sample) => sample,
      step: (index, sample, modelOutput) => eulerStep(sample, modelOutput, at(sigmas, index), at(sigmas, index + 1)),
    };
  }

  return {
    title: "Flow Match Euler",
    trainTimesteps,
    schedule,
    start,
    addNoise: (clean, noise, timestep) => addFlowNoise(clean, noise, timestep / trainTimesteps),
  };
}

/** x_sigmaNext = x_sigma + (sigmaNext - sigma) v, where v is the model's output at x_sigma. */
export function eulerStep(
  sample: FloatTensor,
  modelOutput: FloatTensor,
  sigma: number,
  sigmaNext: number,
): FloatTensor {
  if (!sameShape(sample.shape, modelOutput.shape)) {
    throw new RangeError(`a sample ${formatShape(sample.shape)} with an output ${formatShape(modelOutput.shape)}`);
  }
  const difference = Math.fround(sigmaNext - sigma);
  return floatTensor(
    sample.shape,
    sample.data.map((x, i) => x + Math.fround(difference * (modelOutput.data[i] ?? 0))),
  );
}

/** x_s = (1-s) x_0 + s eps; a `noise` of one row is shared by all rows of `clean`. */
export function addFlowNoise(clean: FloatTensor, noise: FloatTensor, sigma: number): FloatTensor {
  const shared = sameShape(noise.shape, [1, ...clean.shape.slice(1)]);
  if (!shared && !sameShape(noise.shape, clean.shape)) {
    throw new RangeError(`a sample ${formatShape(clean.shape)} with noise ${formatShape(noise.shape)}`);
  }
  const keep = Math.fround(1 - sigma);
  const add = Math.fround(sigma);
  const size = noise.data.length;
  return floatTensor(
    clean.shape,
    clean.data.map((x, i) => Math.fround(keep * x) + Math.fround(add * (noise.data[i % size] ?? 0))),
  );
}

/** More steps go to high noise levels where the shift is above 1. */
function shifted(sigma: number, shift: number): number {
  return (shift * sigma) / (1 + (shift - 1) * sigma);
}

/** The noise level of timestep 1 after the shift, rounded where diffusers' float32 tensors round. */
function lowestTrainSigma(trainTimesteps: number, shift: number): number {
  const sigma = Math.fround(1 / trainTimesteps);
  return Math.fround(Math.fround(shift * sigma) / Math.fround(1 + Math.fround((shift - 1) * sigma)));
}

function at(sigmas: readonly number[], index: number): number {
  const sigma = sigmas[index];
  if (sigma === undefined) throw new RangeError(`step ${index} of ${sigmas.length - 1}`);
  return sigma;
}
