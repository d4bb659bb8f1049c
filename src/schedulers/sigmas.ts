/**
 * @file Noise levels sigma = sqrt((1 - a) / a) as in Karras et al. (arXiv 2206.00364): x / sqrt(a) = x_0 + sigma eps.
 */

import { at } from "../core/lists.js";
import { linspace } from "./timestep-spacing.js";

/** The sigmas of all training timesteps in float32; finite even for pure noise (a = 0). */
export function trainSigmas(alphas: Float32Array): Float32Array {
  return alphas.map((a) => {
    const positive = a === 0 ? 2 ** -24 : a;
    return Math.sqrt(Math.fround(Math.fround(1 - positive) / positive));
  });
}

/** The sigma of a timestep, interpolated linearly between integers (numpy.interp). */
export function sigmaAt(sigmas: Float32Array, timestep: number): number {
  const lower = Math.min(Math.floor(timestep), sigmas.length - 1);
  const upper = Math.min(lower + 1, sigmas.length - 1);
  return at(sigmas, lower) + (at(sigmas, upper) - at(sigmas, lower)) * (timestep - lower);
}

/** The timestep of a sigma, interpolated linearly in log sigma. */
export function timestepAt(sigmas: Float32Array, sigma: number): number {
  const logSigma = Math.log(Math.max(sigma, 1e-10));
  const above = sigmas.findIndex((level) => Math.log(level) > logSigma);
  const lower = Math.max(0, Math.min(above === -1 ? sigmas.length : above - 1, sigmas.length - 2));
  const [low, high] = [Math.log(at(sigmas, lower)), Math.log(at(sigmas, lower + 1))];
  const fraction = Math.min(Math.max((low - logSigma) / (low - high), 0), 1);
  return (1 - fraction) * lower + fraction * (lower + 1);
}

/** `steps` sigmas from the highest to the lowest, evenly spaced in their seventh root (arXiv 2206.00364, equation 5). */
export function karrasSigmas(highest: number, lowest: number, steps: number): number[] {
  const rho = 7;
  const [from, to] = [highest ** (1 / rho), lowest ** (1 / rho)];
  return linspace(0, 1, steps).map((ramp) => (from + ramp * (to - from)) ** rho);
}
