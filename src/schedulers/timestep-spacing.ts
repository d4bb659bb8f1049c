/** @file Timestep spacings (arXiv 2305.08891, table 2) with the rounding of diffusers. */

import { UsageError } from "../core/errors.js";

export type TimestepSpacing = "leading" | "trailing" | "linspace";

export interface SpacingOptions {
  readonly spacing: TimestepSpacing;
  readonly steps: number;
  readonly trainTimesteps: number;
  /** Added to the timesteps of "leading". */
  readonly offset: number;
}

/**
 * Timesteps from noisy to clean; those of "linspace" are not integers.
 *
 * @throws UsageError if the number of steps is invalid
 */
export function spacedTimesteps({ spacing, steps, trainTimesteps, offset }: SpacingOptions): number[] {
  requireSteps(steps, trainTimesteps);
  switch (spacing) {
    case "linspace":
      return linspace(0, trainTimesteps - 1, steps).reverse();
    case "leading": {
      const ratio = Math.floor(trainTimesteps / steps);
      const noisiest = (steps - 1) * ratio + offset;
      if (noisiest < trainTimesteps) return Array.from({ length: steps }, (_, i) => noisiest - i * ratio);
      throw new UsageError(`${steps} steps lead to timestep ${noisiest} of ${trainTimesteps}: use fewer steps`);
    }
    case "trailing":
      return trailing(trainTimesteps, trainTimesteps / steps);
  }
}

/**
 * numpy.round(numpy.arange(first, 0, -ratio)) - 1. For some ratios, numpy's rounding adds a timestep -1, with which diffusers indexes
 * its tables from the end; it is omitted here.
 */
export function trailing(first: number, ratio: number): number[] {
  const count = Math.ceil(first / ratio);
  // numpy uses the difference of the first two values as its step, which matters for values halfway between integers.
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

/** Throws a UsageError unless `steps` is an integer between 1 and the number of timesteps. */
export function requireSteps(steps: number, trainTimesteps: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new UsageError(`steps must be an integer of at least 1, not ${steps}`);
  if (steps > trainTimesteps) throw new UsageError(`${steps} steps exceed the model's ${trainTimesteps} timesteps`);
}
