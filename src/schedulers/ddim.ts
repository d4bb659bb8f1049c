/** @file DDIM (arXiv 2010.02502, equation 12 without noise), as diffusers' DDIMScheduler computes it. */

import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { type DiffusionConfig, switchOf } from "./diffusion-config.js";
import { noiseSchedule } from "./noise-schedule.js";
import type { Scheduler } from "./scheduler.js";
import { roundHalfToEven, spacedTimesteps } from "./timestep-spacing.js";
import { weightedSum } from "./weighted-sum.js";

export function ddim(config: DiffusionConfig): Scheduler {
  const { alphas, trainTimesteps, prediction, addNoise } = noiseSchedule(config);
  const toOne = switchOf(config, config.set_alpha_to_one, "DDIMScheduler", { owner: true, others: false });
  const clipped = switchOf(config, config.clip_sample, "DDIMScheduler", { owner: true, others: false });
  const finalAlpha = toOne ? 1 : alphas[0];

  return {
    title: "DDIM",
    trainTimesteps,
    addNoise,
    start(steps) {
      const spacing = config.timestep_spacing ?? "leading";
      const timesteps = spacedTimesteps({ spacing, steps, trainTimesteps, offset: config.steps_offset }).map(
        roundHalfToEven,
      );
      const stride = Math.floor(trainTimesteps / steps);
      return {
        timesteps,
        initialScale: 1,
        scaleInput: (sample) => sample,
        step(index, sample, output) {
          const timestep = timesteps[index];
          if (timestep === undefined) throw new RangeError(`step ${index} of ${timesteps.length}`);
          const a = alphas[timestep];
          const next = timestep >= stride ? alphas[timestep - stride] : finalAlpha;
          const { clean, noise } = split(prediction, a, sample, output);
          const kept = clipped ? clamp(clean, config.clip_sample_range) : clean;
          return weightedSum([Math.sqrt(next), kept], [Math.sqrt(1 - next), noise]);
        },
      };
    },
  };
}

/** The picture and the noise that a prediction says the sample is made of. */
function split(prediction: DiffusionConfig["prediction_type"], a: number, sample: FloatTensor, output: FloatTensor) {
  const [signal, noise] = [Math.sqrt(a), Math.sqrt(1 - a)];
  switch (prediction) {
    case "epsilon":
      return { clean: weightedSum([1 / signal, sample], [-noise / signal, output]), noise: output };
    case "v_prediction":
      return {
        clean: weightedSum([signal, sample], [-noise, output]),
        noise: weightedSum([signal, output], [noise, sample]),
      };
  }
}

function clamp({ shape, data }: FloatTensor, range: number): FloatTensor {
  return floatTensor(
    shape,
    data.map((x) => Math.min(Math.max(x, -range), range)),
  );
}
