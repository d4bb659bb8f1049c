/**
 * @file Euler's method in noise levels, and the same with fresh noise at every step (ancestral), as diffusers'
 * EulerDiscreteScheduler and EulerAncestralDiscreteScheduler compute them (after k-diffusion).
 */

import type { DiffusionConfig } from "./diffusion-config.js";
import { noiseSchedule } from "./noise-schedule.js";
import type { DrawNoise, Scheduler, SchedulerRun } from "./scheduler.js";
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
  const schedule = noiseSchedule(config);
  const { trainTimesteps, prediction, addNoise } = schedule;
  const levels = trainSigmas(schedule);
  const spacing = config.timestep_spacing ?? "linspace";
  const karras = !ancestral && (config.use_karras_sigmas ?? false);

  function start(steps: number): SchedulerRun {
    const spaced = spacedTimesteps({ spacing, steps, trainTimesteps, offset: config.steps_offset }).map(Math.fround);
    const plain = spaced.map((timestep) => sigmaAt(levels, timestep));
    const path = karras
      ? karrasSigmas(config.sigma_max ?? plain[0], config.sigma_min ?? plain[plain.length - 1], steps)
      : plain;
    const timesteps = karras ? path.map((sigma) => Math.fround(timestepAt(levels, sigma))) : spaced;
    const last = !ancestral && config.final_sigmas_type === "sigma_min" ? levels[0] : 0;
    const sigmas = Float32Array.from([...path, last]);
    const highest = Math.max(...sigmas);
    return {
      timesteps,
      sigmas: [...sigmas],
      initialScale: spacing === "leading" ? Math.sqrt(highest ** 2 + 1) : highest,
      scaleInput: (sample, index) => weightedSum([1 / Math.sqrt(sigmas[index] ** 2 + 1), sample]),
      step(index, sample, output, drawNoise: DrawNoise) {
        if (index >= timesteps.length) throw new RangeError(`step ${index} of ${timesteps.length}`);
        const [sigma, next] = [sigmas[index], sigmas[index + 1]];
        const { down, up } = ancestral ? ancestralStep(sigma, next) : { down: next, up: 0 };
        // x + (down - sigma) d, where the derivative d = (x - x_0) / sigma is the predicted noise.
        const width = down - sigma;
        const level = sigma ** 2 + 1;
        const moved = {
          epsilon: [[1, sample] as const, [width, output] as const],
          v_prediction: [[1 + (width * sigma) / level, sample] as const, [width / Math.sqrt(level), output] as const],
        }[prediction];
        return ancestral ? weightedSum(...moved, [up, drawNoise()]) : weightedSum(...moved);
      },
    };
  }

  return { title: ancestral ? "Euler a" : karras ? "Euler Karras" : "Euler", trainTimesteps, addNoise, start };
}

/** Down below the next level, and up to it again with fresh noise. */
function ancestralStep(sigma: number, next: number): { down: number; up: number } {
  const up = Math.sqrt((next ** 2 * (sigma ** 2 - next ** 2)) / sigma ** 2);
  return { down: Math.sqrt(next ** 2 - up ** 2), up };
}
