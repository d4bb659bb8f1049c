/** @file Noisy samples and training targets, as computed by diffusers' `add_noise`, `scale_noise` and `get_velocity`. */

import { type FloatTensor, floatTensor, formatShape, sameShape } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import type { Parametrisation } from "./parametrisation.js";

/** The noise schedule of a model's training. */
export interface NoiseSchedule {
  /** Number of training timesteps 0, 1, ..., trainTimesteps - 1; larger is noisier. */
  readonly trainTimesteps: number;
  readonly parametrisation: Parametrisation;
  /** The noise level at a timestep. Throws a RangeError for an invalid timestep. */
  levelAt(timestep: number): NoiseLevel;
}

/** A noisy sample and the denoiser's target. */
export interface NoisySample {
  readonly sample: FloatTensor;
  readonly target: FloatTensor;
}

/** The training sample and target at a timestep; `noise` is [1 or N, ...] for `clean` [N, ...]. */
export function noisySample(
  { levelAt, parametrisation }: NoiseSchedule,
  clean: FloatTensor,
  noise: FloatTensor,
  timestep: number,
): NoisySample {
  const level = levelAt(timestep);
  const target = parametrisation.target(level);
  return { sample: addNoise(level, clean, noise), target: mix(clean, noise, target.clean, target.noise) };
}

/** level.signal * clean + level.noise * noise; `noise` is [1 or N, ...] for `clean` [N, ...]. */
export function addNoise(level: NoiseLevel, clean: FloatTensor, noise: FloatTensor): FloatTensor {
  return mix(clean, noise, level.signal, level.noise);
}

/** a * clean + b * noise in float32. */
function mix(clean: FloatTensor, noise: FloatTensor, cleanWeight: number, noiseWeight: number): FloatTensor {
  const isShared = sameShape(noise.shape, [1, ...clean.shape.slice(1)]);
  if (!isShared && !sameShape(noise.shape, clean.shape)) {
    throw new RangeError(`noise ${formatShape(noise.shape)} does not fit a sample ${formatShape(clean.shape)}`);
  }
  const [a, b] = [Math.fround(cleanWeight), Math.fround(noiseWeight)];
  const size = noise.data.length;
  return floatTensor(
    clean.shape,
    clean.data.map((x, i) => Math.fround(a * x) + Math.fround(b * (noise.data[i % size] ?? 0))),
  );
}
