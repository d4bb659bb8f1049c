/**
 * @file Euler's method, and its ancestral variant with new noise at every step, as in diffusers' EulerDiscreteScheduler and
 * EulerAncestralDiscreteScheduler (from k-diffusion).
 */

import { UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { DiffusionConfig } from "./diffusion-config.js";
import { explodingLevel } from "./noise-level.js";
import { noiseSchedule } from "./noise-schedule.js";
import { createRun, inverted, type Step, stepsFrom, type Update } from "./run.js";
import type { Scheduler } from "./scheduler.js";
import { karrasSigmas, sigmaAt, timestepAt, trainSigmas } from "./sigmas.js";
import { spacedTimesteps } from "./timestep-spacing.js";
import { weightedSum } from "./weighted-sum.js";

export function euler(config: DiffusionConfig): Scheduler {
  return eulerScheduler(config, false);
}

export function eulerAncestral(config: DiffusionConfig): Scheduler {
  return eulerScheduler(config, true);
}

function eulerScheduler(config: DiffusionConfig, ancestral: boolean): Scheduler {
  const { alphas, ...schedule } = noiseSchedule(config);
  const { trainTimesteps, parametrisation } = schedule;
  const trained = trainSigmas(alphas);
  const spacing = config.timestep_spacing ?? "linspace";
  const karras = !ancestral && (config.use_karras_sigmas ?? false);
  const title = ancestral ? "Euler a" : karras ? "Euler Karras" : "Euler";

  function path(steps: number): Step[] {
    const spaced = spacedTimesteps({ spacing, steps, trainTimesteps, offset: config.steps_offset }).map(Math.fround);
    const plain = spaced.map((timestep) => sigmaAt(trained, timestep));
    const sigmas = karras
      ? karrasSigmas(config.sigma_max ?? at(plain, 0), config.sigma_min ?? at(plain, plain.length - 1), steps)
      : plain;
    const timesteps = karras ? sigmas.map((sigma) => Math.fround(timestepAt(trained, sigma))) : spaced;
    const last = !ancestral && config.final_sigmas_type === "sigma_min" ? at(trained, 0) : 0;
    const levels = Array.from(Float32Array.from([...sigmas, last]), explodingLevel);
    return timesteps.map((timestep, i) => ({ timestep, from: at(levels, i), to: at(levels, i + 1) }));
  }

  const update: Update = ({ step: { from, to }, sample, output, drawNoise }) => {
    const { down, up } = ancestral ? ancestralStep(from.sigma, to.sigma) : { down: to.sigma, up: 0 };
    // x + (down - sigma) d, where the derivative d = (x - x_0) / sigma is the estimate of the noise.
    const moved = parametrisation.toNoise(from, down - from.sigma);
    const terms = [[1 + moved.sample, sample] as const, [moved.output, output] as const] as const;
    return { sample: ancestral ? weightedSum(...terms, [up, drawNoise()]) : weightedSum(...terms) };
  };

  return {
    ...schedule,
    title,
    start(steps, options) {
      const all = path(steps);
      const highest = Math.max(...all.map(({ from }) => from.sigma));
      return createRun(stepsFrom(all, options), update, spacing === "leading" ? Math.sqrt(highest ** 2 + 1) : highest);
    },
    startInverse(steps, options) {
      if (ancestral) throw new UsageError(`${title} adds noise at every step and has no inverse: use euler or ddim`);
      return createRun(inverted(stepsFrom(path(steps), options)), update);
    },
  };
}

/** Splits a step into a deterministic step to the level `down` and new noise of deviation `up`. */
function ancestralStep(sigma: number, next: number): { down: number; up: number } {
  const up = Math.sqrt((next ** 2 * (sigma ** 2 - next ** 2)) / sigma ** 2);
  return { down: Math.sqrt(next ** 2 - up ** 2), up };
}
