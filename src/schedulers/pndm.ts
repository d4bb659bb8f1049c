/**
 * @file PNDM (arXiv 2202.09778) as diffusers' PNDMScheduler computes it with skip_prk_steps, the way of Stable Diffusion 1:
 * linear multistep steps, whose first is taken twice to find a second slope (also known as PLMS).
 */

import { InputError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import { type DiffusionConfig, switchOf } from "./diffusion-config.js";
import { noiseSchedule } from "./noise-schedule.js";
import type { Scheduler } from "./scheduler.js";
import { roundHalfToEven, spacedTimesteps } from "./timestep-spacing.js";
import { weightedSum } from "./weighted-sum.js";

/** Adams-Bashforth coefficients by the number of slopes that are known, latest first. */
const multistep = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const;

export function pndm(config: DiffusionConfig): Scheduler {
  const { addNoise, prediction } = noiseSchedule(config);
  // Diffusers' PNDM knows no noise schedule that ends in pure noise, from which its formula could not start.
  const { alphas, trainTimesteps } = noiseSchedule({ ...config, rescale_betas_zero_snr: false });
  if (!switchOf(config, config.skip_prk_steps, "PNDMScheduler", { owner: false, others: true })) {
    throw new InputError("scheduler_config.json: skip_prk_steps: PNDM with Runge-Kutta steps is not supported");
  }
  const toOne = switchOf(config, config.set_alpha_to_one, "PNDMScheduler", { owner: false, others: false });
  const finalAlpha = toOne ? 1 : alphas[0];
  const alphaAt = (timestep: number) => (timestep >= 0 ? alphas[timestep] : finalAlpha);

  /** Equation 9: from x_t to the earlier timestep along a slope. */
  function transfer(sample: FloatTensor, slope: FloatTensor, timestep: number, earlier: number): FloatTensor {
    const [a, next] = [alphaAt(timestep), alphaAt(earlier)];
    const along = -(next - a) / (a * Math.sqrt(1 - next) + Math.sqrt(a * (1 - a) * next));
    const kept = Math.sqrt(next / a);
    switch (prediction) {
      case "epsilon":
        return weightedSum([kept, sample], [along, slope]);
      case "v_prediction":
        return weightedSum([kept + along * Math.sqrt(1 - a), sample], [along * Math.sqrt(a), slope]);
    }
  }

  return {
    title: "PLMS",
    trainTimesteps,
    addNoise,
    start(steps) {
      const spacing = config.timestep_spacing ?? "leading";
      const spaced = spacedTimesteps({ spacing, steps, trainTimesteps, offset: config.steps_offset }).map(
        roundHalfToEven,
      );
      const timesteps = [...spaced.slice(0, 2), ...spaced.slice(1)];
      const stride = Math.floor(trainTimesteps / steps);
      /** Outputs of the model, latest first, and the sample that the first of them was for. */
      let slopes: readonly FloatTensor[] = [];
      let first: FloatTensor | null = null;
      return {
        timesteps,
        initialScale: 1,
        scaleInput: (sample) => sample,
        step(index, sample, output) {
          const timestep = timesteps[index];
          if (timestep === undefined) throw new RangeError(`step ${index} of ${timesteps.length}`);
          if (index === 1 && first !== null) {
            // The second look: the first step once more, along the mean of both slopes.
            const mean = weightedSum([1 / 2, output], [1 / 2, slopes[0]]);
            return transfer(first, mean, timestep + stride, timestep);
          }
          first = sample;
          slopes = [output, ...slopes].slice(0, 4);
          const coefficients = multistep[slopes.length - 1];
          const slope = weightedSum(...slopes.map((each, i) => [coefficients[i], each] as const));
          return transfer(sample, slope, timestep, timestep - stride);
        },
      };
    },
  };
}
