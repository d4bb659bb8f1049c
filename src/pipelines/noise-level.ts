/** @file How noisy a sample is at a timestep, and what an error of the denoiser's target is worth as an error of the noise. */

import { floatTensor } from "../core/tensor.js";
import type { Denoiser } from "./pipeline.js";

export interface NoiseLevel {
  /** log(A^2 / B^2) of the noisy sample A x_0 + B noise, in nats; infinite where there is only signal or only noise. */
  readonly logSnr: number;
  /** |noise - its estimate|^2 = errorScale * |target - prediction|^2. */
  readonly errorScale: number;
}

/**
 * Read off `noising`, which is linear: with sample = A x_0 + B noise and target = a x_0 + b noise, a prediction of the target
 * beside the sample gives the noise, and x_0 eliminated, noise = (A target - a sample) / (A b - a B). So for a prediction of
 *
 *     the noise (sample sqrt(c) x_0 + sqrt(1-c) noise):   logSnr = log(c / (1-c)),    errorScale = 1
 *     the velocity of a flow (sample (1-s) x_0 + s noise): logSnr = 2 log((1-s) / s),  errorScale = (1-s)^2
 *     v = sqrt(c) noise - sqrt(1-c) x_0:                   logSnr = log(c / (1-c)),    errorScale = c
 */
export function noiseLevel(denoiser: Pick<Denoiser, "noising">, timestep: number): NoiseLevel {
  const [clean, noise] = [floatTensor([2, 1, 1, 1], Float32Array.of(1, 0)), floatTensor([2, 1, 1, 1])];
  noise.data[1] = 1;
  const { sample, target } = denoiser.noising(clean, noise, timestep);
  const [sampleClean, sampleNoise] = sample.data;
  const [targetClean, targetNoise] = target.data;
  return {
    logSnr: 2 * Math.log(sampleClean / sampleNoise),
    errorScale: (sampleClean / (sampleClean * targetNoise - targetClean * sampleNoise)) ** 2,
  };
}
