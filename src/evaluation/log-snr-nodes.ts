/** @file Where an integral over the log signal-to-noise ratio is evaluated: timesteps of the model, and their weights. */

import { UsageError } from "../core/errors.js";
import type { Denoiser } from "../pipelines/pipeline.js";
import { type SignalToNoise, signalToNoise } from "../schedulers/index.js";

/** One point of the quadrature. */
export interface LogSnrNode extends SignalToNoise {
  /** A whole timestep that the model was trained on. */
  readonly timestep: number;
  /** Its share of the integral: the integral of f is the sum of weight * f(logSnr). */
  readonly weight: number;
}

/** As many evaluations as a sampling run has steps. */
export const defaultNodes = 28;

/**
 * In a flow the times s = 0.993 and 0.018. Noisier, the error of the noise is next to nothing: its scale is below 5e-5. Cleaner,
 * a perfect denoiser's gap vanishes too, but a network's own faults do not, and flows are hardly trained there.
 */
export const defaultLimits = [-10, 8] as const;

/**
 * Trapezoidal rule: at most `count` training timesteps whose log-SNRs lie as evenly as whole timesteps allow between the
 * limits, by rising log-SNR, i.e. from noise to image. Where the model's own range is narrower, it is the limit (-13.8 to
 * 13.8 for a flow of 1000 timesteps, -5.4 to 7.1 for Stable Diffusion 1.5's schedule).
 */
export function logSnrNodes(
  { scheduler }: Pick<Denoiser, "scheduler">,
  count: number,
  [lowest, highest]: readonly [lowest: number, highest: number] = defaultLimits,
): LogSnrNode[] {
  if (!Number.isInteger(count) || count < 2) throw new UsageError(`nodes is a whole number from 2 up, got ${count}`);
  const levels = Array.from({ length: scheduler.trainTimesteps }, (_, timestep) => ({
    timestep,
    ...signalToNoise(scheduler, timestep),
  }))
    .filter(({ logSnr }) => Number.isFinite(logSnr) && logSnr >= lowest && logSnr <= highest)
    .sort((a, b) => a.logSnr - b.logSnr);
  const [first, last] = [levels[0], levels[levels.length - 1]];
  if (levels.length < 2) {
    throw new UsageError(
      `log-SNR limits ${lowest} and ${highest} hold ${levels.length} of the model's timesteps: 2 are needed`,
    );
  }
  const step = (last.logSnr - first.logSnr) / (count - 1);
  const distance = (level: SignalToNoise, wanted: number) => Math.abs(level.logSnr - wanted);
  const nearest = Array.from({ length: count }, (_, k) => {
    const wanted = first.logSnr + k * step;
    return levels.reduce((best, level) => (distance(level, wanted) < distance(best, wanted) ? level : best));
  });
  const chosen = [...new Set(nearest)];
  return chosen.map((level, k) => {
    const [before, after] = [chosen[Math.max(0, k - 1)], chosen[Math.min(chosen.length - 1, k + 1)]];
    return { ...level, weight: (after.logSnr - before.logSnr) / 2 };
  });
}
