/** @file The signal-to-noise ratio at a timestep, and the conversion of target errors to noise errors. */

import type { NoiseSchedule } from "./noisy-sample.js";

export interface SignalToNoise {
  /** log(A^2 / B^2) of the noisy sample A x_0 + B noise, in nats; infinite without noise or without signal. */
  readonly logSnr: number;
  /** |noise - estimated noise|^2 = errorScale * |target - prediction|^2. */
  readonly errorScale: number;
}

/**
 * With sample = A x_0 + B noise and target = a x_0 + b noise, eliminating x_0 gives noise = (A target - a sample) / (A b - a B). So for
 * a prediction of
 *
 *     the noise (sample sqrt(c) x_0 + sqrt(1-c) noise):   logSnr = log(c / (1-c)),    errorScale = 1
 *     the velocity of a flow (sample (1-s) x_0 + s noise): logSnr = 2 log((1-s) / s),  errorScale = (1-s)^2
 *     v = sqrt(c) noise - sqrt(1-c) x_0:                   logSnr = log(c / (1-c)),    errorScale = c
 */
export function signalToNoise({ levelAt, parametrisation }: NoiseSchedule, timestep: number): SignalToNoise {
  const level = levelAt(timestep);
  const target = parametrisation.target(level);
  return {
    logSnr: 2 * Math.log(level.signal / level.noise),
    errorScale: (level.signal / (level.signal * target.noise - target.clean * level.noise)) ** 2,
  };
}
