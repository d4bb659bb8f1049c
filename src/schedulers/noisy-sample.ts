/** @file Noisy samples and the model's targets, as diffusers' `add_noise`, `scale_noise` and `get_velocity` give them. */

import { type FloatTensor, floatTensor, formatShape, sameShape } from "../core/tensor.js";
import type { NoiseLevel } from "./noise-level.js";
import type { Parametrisation } from "./parametrisation.js";

/** The noise that a model was trained with. */
export interface NoiseSchedule {
  /** Training uses integer timesteps from 0 up to, not including, this; larger is noisier. */
  readonly trainTimesteps: number;
  readonly parametrisation: Parametrisation;
  /** The level of training at a timestep; RangeError where there is no such timestep. */
  levelAt(timestep: number): NoiseLevel;
}

/** A noisy sample and the denoiser's target. */
export interface NoisySample {
  readonly sample: FloatTensor;
  readonly target: FloatTensor;
}

/** Training's sample and target at a timestep; `noise` of one row is shared by all rows of `clean`. */
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

/** signal * clean + noise * noise at a level; `noise` of one row is shared by all rows of `clean`. */
export function addNoise(level: NoiseLevel, clean: FloatTensor, noise: FloatTensor): FloatTensor {
  return mix(clean, noise, level.signal, level.noise);
}

/** a * clean + b * noise in float32. */
function mix(clean: FloatTensor, noise: FloatTensor, cleanWeight: number, noiseWeight: number): FloatTensor {
  const isShared = sameShape(noise.shape, [1, ...clean.shape.slice(1)]);
  if (!isShared && !sameShape(noise.shape, clean.shape)) {
    throw new RangeError(`a sample ${formatShape(clean.shape)} with noise ${formatShape(noise.shape)}`);
  }
  const [a, b] = [Math.fround(cleanWeight), Math.fround(noiseWeight)];
  const size = noise.data.length;
  return floatTensor(
    clean.shape,
    clean.data.map((x, i) => Math.fround(a * x) + Math.fround(b * (noise.data[i % size] ?? 0))),
  );
}
