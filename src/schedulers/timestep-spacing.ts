/** @file Which timesteps a number of steps visits (arXiv 2305.08891, table 2), as diffusers rounds them. */

import { UsageError } from "../core/errors.js";

export type TimestepSpacing = "leading" | "trailing" | "linspace";

export interface SpacingOptions {
  readonly spacing: TimestepSpacing;
  readonly steps: number;
  readonly trainTimesteps: number;
  /** Added to the timesteps of "leading". */
  readonly offset: number;
}

/** Timesteps from noisy to clean; those of "linspace" are not whole numbers. */
export function spacedTimesteps({ spacing, steps, trainTimesteps, offset }: SpacingOptions): number[] {
  requireSteps(steps, trainTimesteps);
  switch (spacing) {
    case "linspace":
      return linspace(0, trainTimesteps - 1, steps).reverse();
    case "leading": {
      const ratio = Math.floor(trainTimesteps / steps);
      const noisiest = (steps - 1) * ratio + offset;
      if (noisiest < trainTimesteps) return Array.from({ length: steps }, (_, i) => noisiest - i * ratio);
      throw new UsageError(`${steps} steps lead to timestep ${noisiest} of ${trainTimesteps}: take fewer steps`);
    }
    case "trailing":
      return trailing(trainTimesteps, trainTimesteps / steps);
  }
}

/**
 * numpy.arange(first, 0, -ratio), each rounded and one less. What numpy's rounding adds at the end for some ratios, a timestep
 * -1 by which diffusers reads its tables from behind, is left out.
 */
export function trailing(first: number, ratio: number): number[] {
  const count = Math.ceil(first / ratio);
  // numpy steps by the difference of the first two, which decides where a value lies halfway.
  const step = first - ratio - first;
  const timesteps = Array.from({ length: count }, (_, i) => roundHalfToEven(first + i * step) - 1);
  return timesteps.filter((timestep) => timestep >= 0);
}

/** numpy.linspace. */
export function linspace(first: number, last: number, count: number): number[] {
  const step = (last - first) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === 0 ? first : i === count - 1 ? last : i * step + first));
}

/** numpy.round. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const isHalf = x - floor === 0.5;
  return isHalf && floor % 2 === 0 ? floor : Math.round(x);
}

/** Refuses a number of steps that is none, or more than there are timesteps. */
export function requireSteps(steps: number, trainTimesteps: number): void {
  if (!Number.isInteger(steps) || steps < 1) throw new UsageError(`steps is a whole number from 1 up, got ${steps}`);
  if (steps > trainTimesteps)
    throw new UsageError(`${steps} steps are more than the model's ${trainTimesteps} timesteps`);
}
