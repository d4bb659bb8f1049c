/**
 * @file PNDM (arXiv 2202.09778) as in diffusers' PNDMScheduler with skip_prk_steps, the default of Stable Diffusion 1 (also known as
 * PLMS): linear multistep steps; the first step is repeated with a second slope.
 */

import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import { booleanSetting, type DiffusionConfig } from "./diffusion-config.js";
import { firstOrder } from "./first-order.js";
import { levelOfAlpha } from "./noise-level.js";
import { noiseSchedule } from "./noise-schedule.js";
import { createRun, inverted, type Step, stepsFrom, type Update } from "./run.js";
import type { Evaluation, Scheduler } from "./scheduler.js";
import { roundHalfToEven, spacedTimesteps } from "./timestep-spacing.js";
import { weightedSum } from "./weighted-sum.js";

/** The Adams-Bashforth slope from the model's outputs, latest first. */
function multistep([a, b, c, d]: readonly [FloatTensor, ...FloatTensor[]]): FloatTensor {
  if (b === undefined) return a;
  if (c === undefined) return weightedSum([3 / 2, a], [-1 / 2, b]);
  if (d === undefined) return weightedSum([23 / 12, a], [-16 / 12, b], [5 / 12, c]);
  return weightedSum([55 / 24, a], [-59 / 24, b], [37 / 24, c], [-9 / 24, d]);
}

export function pndm(config: DiffusionConfig): Scheduler {
  const { alphas: _, ...schedule } = noiseSchedule(config);
  const { parametrisation } = schedule;
  // Diffusers' PNDM ignores rescale_betas_zero_snr: the formula cannot start from pure noise.
  const { alphas, trainTimesteps } = noiseSchedule({ ...config, rescale_betas_zero_snr: false });
  if (!booleanSetting(config, config.skip_prk_steps, "PNDMScheduler", { owner: false, others: true })) {
    throw new InputError("scheduler_config.json: skip_prk_steps: PNDM with Runge-Kutta steps is not supported");
  }
  const setAlphaToOne = booleanSetting(config, config.set_alpha_to_one, "PNDMScheduler", {
    owner: false,
    others: false,
  });
  const finalAlpha = setAlphaToOne ? 1 : at(alphas, 0);
  const alphaAt = (timestep: number) => (timestep >= 0 ? at(alphas, timestep) : finalAlpha);

  function path(steps: number, stride: number): Step[] {
    const spacing = config.timestep_spacing ?? "leading";
    return spacedTimesteps({ spacing, steps, trainTimesteps, offset: config.steps_offset })
      .map(roundHalfToEven)
      .map((timestep) => ({
        timestep,
        from: levelOfAlpha(alphaAt(timestep)),
        to: levelOfAlpha(alphaAt(timestep - stride)),
      }));
  }

  /** Equation 9: from x_t to an earlier timestep along a slope. */
  function transfer({ sample, output }: Evaluation, timestep: number, earlier: number): FloatTensor {
    const [a, next] = [alphaAt(timestep), alphaAt(earlier)];
    const along = -(next - a) / (a * Math.sqrt(1 - next) + Math.sqrt(a * (1 - a) * next));
    const moved = parametrisation.toNoise(levelOfAlpha(a), along);
    return weightedSum([Math.sqrt(next / a) + moved.sample, sample], [moved.output, output]);
  }

  const update =
    (stride: number): Update =>
    ({ step: { timestep }, index, sample, output, history }) => {
      const [latest] = history;
      if (index === 1 && latest !== undefined) {
        // Repeat the first step along the mean of both slopes.
        const mean = weightedSum([1 / 2, output], [1 / 2, latest.output]);
        return { sample: transfer({ sample: latest.sample, output: mean }, timestep + stride, timestep), history };
      }
      const slope = multistep([output, ...history.map((evaluation) => evaluation.output)]);
      return {
        sample: transfer({ sample, output: slope }, timestep, timestep - stride),
        history: [{ sample, output }, ...history].slice(0, 3),
      };
    };

  const strideOf = (steps: number) => Math.floor(trainTimesteps / steps);
  return {
    ...schedule,
    title: "PLMS",
    start(steps, options) {
      const stride = strideOf(steps);
      return createRun(repeatFirstStep(stepsFrom(path(steps, stride), options)), update(stride));
    },
    startInverse: (steps, options) =>
      createRun(inverted(stepsFrom(path(steps, strideOf(steps)), options)), firstOrder(parametrisation)),
  };
}

/**
 * Inserts a second evaluation at the end of the first step, wherever a run starts. (Diffusers' image-to-image pipeline drops the first
 * evaluations instead, so that from the second step its timesteps are one step ahead of the sample.)
 */
function repeatFirstStep([first, second, ...others]: readonly Step[]): readonly Step[] {
  if (first === undefined) return [];
  if (second === undefined) return [first];
  return [first, { ...second, to: second.from }, second, ...others];
}
