/**
 * @file DPM-Solver++ (2M) (arXiv 2211.01095, algorithm 2) as in diffusers' DPMSolverMultistepScheduler with solver_order 2 and
 * solver_type midpoint.
 */

import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { DiffusionConfig } from "./diffusion-config.js";
import { firstOrder } from "./first-order.js";
import { levelOfSigma, type NoiseLevel } from "./noise-level.js";
import { noiseSchedule } from "./noise-schedule.js";
import { estimate } from "./parametrisation.js";
import { createRun, inverted, type Step, stepsFrom, type Update } from "./run.js";
import type { Evaluation, Scheduler } from "./scheduler.js";
import { karrasSigmas, sigmaAt, timestepAt, trainSigmas } from "./sigmas.js";
import { linspace, requireSteps, roundHalfToEven, trailing } from "./timestep-spacing.js";
import { weightedSum } from "./weighted-sum.js";

export function dpmSolverMultistep(config: DiffusionConfig): Scheduler {
  const { alphas, ...schedule } = noiseSchedule(config);
  const { trainTimesteps, parametrisation } = schedule;
  const trained = trainSigmas(alphas);
  const [lowest, highest] = [at(trained, 0), at(trained, trained.length - 1)];
  const karras = config.use_karras_sigmas ?? false;

  /** The timestep and sigma of each evaluation. */
  function evaluations(steps: number): { timesteps: number[]; sigmas: number[] } {
    if (karras) {
      const sigmas = karrasSigmas(highest, lowest, steps);
      return { timesteps: sigmas.map((sigma) => roundHalfToEven(timestepAt(trained, sigma))), sigmas };
    }
    const timesteps = spaced(config, steps);
    return { timesteps, sigmas: timesteps.map((timestep) => sigmaAt(trained, timestep)) };
  }

  function path(steps: number): Step[] {
    requireSteps(steps, trainTimesteps);
    const { timesteps, sigmas } = evaluations(steps);
    const all = Float32Array.from([...sigmas, config.final_sigmas_type === "zero" ? 0 : lowest]);
    const levels = Array.from(all, levelOfSigma);
    const decreases = (sigma: number, i: number) => i === 0 || i === timesteps.length || sigma < at(all, i - 1);
    if (!all.every(decreases)) {
      throw new UsageError(`${steps} steps are too many: their noise levels would coincide; use fewer steps`);
    }
    return timesteps.map((timestep, i) => ({ timestep, from: at(levels, i), to: at(levels, i + 1) }));
  }

  /** Algorithm 2 along `steps`, which are the last of a path of `count` steps. */
  function secondOrder(steps: readonly Step[], count: number): Update {
    const cleanAt = ({ from }: Step, { sample, output }: Evaluation) =>
      estimate(parametrisation.toClean(from), sample, output);
    const isLowOrder = (index: number) =>
      index === steps.length - 1 &&
      (config.euler_at_final || (config.lower_order_final && count < 15) || config.final_sigmas_type === "zero");
    return ({ step, index, sample, output, history: [previous] }) => {
      const { from, to } = step;
      const clean = cleanAt(step, { sample, output });
      const h = lambda(to) - lambda(from);
      const kept = to.noise / from.noise;
      const gain = to.signal * (1 - Math.exp(-h));
      const history = [{ sample, output }];
      if (previous === undefined || isLowOrder(index)) {
        return { sample: weightedSum([kept, sample], [gain, clean]), history };
      }
      const before = at(steps, index - 1);
      // Half the slope of the estimates since the previous evaluation: (1 / r) (m0 - m1) / 2.
      const half = h / (lambda(from) - lambda(before.from)) / 2;
      const next = weightedSum([kept, sample], [gain * (1 + half), clean], [-gain * half, cleanAt(before, previous)]);
      return { sample: next, history };
    };
  }

  return {
    ...schedule,
    title: karras ? "DPM++ 2M Karras" : "DPM++ 2M",
    start(steps, options) {
      const all = path(steps);
      const remaining = stepsFrom(all, options);
      return createRun(remaining, secondOrder(remaining, all.length));
    },
    startInverse: (steps, options) => createRun(inverted(stepsFrom(path(steps), options)), firstOrder(parametrisation)),
  };
}

/** Half the log-SNR. */
function lambda({ sigma }: NoiseLevel): number {
  return -Math.log(sigma);
}

/** Diffusers' timestep spacing for this scheduler, which differs from that of the others. */
function spaced({ timestep_spacing, steps_offset, num_train_timesteps }: DiffusionConfig, steps: number): number[] {
  switch (timestep_spacing ?? "linspace") {
    case "linspace":
      return linspace(0, num_train_timesteps - 1, steps + 1)
        .map(roundHalfToEven)
        .reverse()
        .slice(0, -1);
    case "leading": {
      const ratio = Math.floor(num_train_timesteps / (steps + 1));
      return Array.from({ length: steps }, (_, i) => (steps - i) * ratio + steps_offset);
    }
    case "trailing":
      return trailing(num_train_timesteps, num_train_timesteps / steps);
  }
}
