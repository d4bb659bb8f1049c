/**
 * @file DPM-Solver++ (2M) (arXiv 2211.01095, algorithm 2), as diffusers' DPMSolverMultistepScheduler computes it with
 * solver_order 2 and the midpoint form.
 */

import { UsageError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { DiffusionConfig } from "./diffusion-config.js";
import { noiseSchedule } from "./noise-schedule.js";
import type { Scheduler, SchedulerRun } from "./scheduler.js";
import { karrasSigmas, sigmaAt, timestepAt, trainSigmas } from "./sigmas.js";
import { linspace, requireSteps, roundHalfToEven, trailing } from "./timestep-spacing.js";
import { weightedSum } from "./weighted-sum.js";

export function dpmSolverMultistep(config: DiffusionConfig): Scheduler {
  const schedule = noiseSchedule(config);
  const { trainTimesteps, prediction, addNoise } = schedule;
  const levels = trainSigmas(schedule);
  const karras = config.use_karras_sigmas ?? false;

  /** Timesteps and noise levels of the evaluations. */
  function path(steps: number): { timesteps: number[]; sigmas: number[] } {
    if (karras) {
      const sigmas = karrasSigmas(levels[levels.length - 1], levels[0], steps);
      return { timesteps: sigmas.map((sigma) => roundHalfToEven(timestepAt(levels, sigma))), sigmas };
    }
    const timesteps = spaced(config, steps);
    return { timesteps, sigmas: timesteps.map((timestep) => sigmaAt(levels, timestep)) };
  }

  function start(steps: number): SchedulerRun {
    requireSteps(steps, trainTimesteps);
    const { timesteps, sigmas } = path(steps);
    const count = timesteps.length;
    const all = Float32Array.from([...sigmas, config.final_sigmas_type === "zero" ? 0 : levels[0]]);
    if (all.some((sigma, i) => i > 0 && i < count && !(sigma < all[i - 1]))) {
      throw new UsageError(`${steps} steps are too many to differ in noise: take fewer steps`);
    }
    const points = Array.from(all, pointAt);
    let previous: FloatTensor | null = null;
    return {
      timesteps,
      sigmas: [...all],
      initialScale: 1,
      scaleInput: (sample) => sample,
      step(index, sample, output) {
        if (index >= count) throw new RangeError(`step ${index} of ${count}`);
        const [s, t] = [points[index], points[index + 1]];
        const clean = predictedClean(prediction, s, sample, output);
        const h = t.lambda - s.lambda;
        const kept = t.noise / s.noise;
        const gain = t.signal * (1 - Math.exp(-h));
        const before = previous;
        previous = clean;
        const isLast = index === count - 1;
        const low =
          isLast &&
          (config.euler_at_final || (config.lower_order_final && count < 15) || config.final_sigmas_type === "zero");
        if (before === null || low) return weightedSum([kept, sample], [gain, clean]);
        // Half the slope of the predictions since the evaluation before: (1 / r) (m0 - m1) / 2.
        const half = h / (s.lambda - points[index - 1].lambda) / 2;
        return weightedSum([kept, sample], [gain * (1 + half), clean], [-gain * half, before]);
      },
    };
  }

  return { title: karras ? "DPM++ 2M Karras" : "DPM++ 2M", trainTimesteps, addNoise, start };
}

/** The weights of picture and noise at a level, and half its logarithmic signal-to-noise ratio. */
function pointAt(sigma: number): { signal: number; noise: number; lambda: number } {
  const signal = 1 / Math.sqrt(sigma ** 2 + 1);
  return { signal, noise: sigma * signal, lambda: -Math.log(sigma) };
}

function predictedClean(
  prediction: DiffusionConfig["prediction_type"],
  { signal, noise }: { readonly signal: number; readonly noise: number },
  sample: FloatTensor,
  output: FloatTensor,
): FloatTensor {
  switch (prediction) {
    case "epsilon":
      return weightedSum([1 / signal, sample], [-noise / signal, output]);
    case "v_prediction":
      return weightedSum([signal, sample], [-noise, output]);
  }
}

/** This scheduler of diffusers spaces its timesteps in its own way. */
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
