/**
 * @file Noise levels sigma = sqrt((1 - a) / a), as in Karras et al. (arXiv 2206.00364): x / sqrt(a) is x_0 plus sigma
 * times unit noise.
 */

import { at } from "../core/lists.js";
import { linspace } from "./timestep-spacing.js";

/** The levels of all training timesteps, in float32; the last is finite also where training ends in pure noise. */
export function trainSigmas(alphas: Float32Array): Float32Array {
  return alphas.map((a) => {
    const kept = a === 0 ? 2 ** -24 : a;
    return Math.sqrt(Math.fround(Math.fround(1 - kept) / kept));
  });
}

/** The level of a timestep, interpolated where that is not an integer (numpy.interp). */
export function sigmaAt(sigmas: Float32Array, timestep: number): number {
  const lower = Math.min(Math.floor(timestep), sigmas.length - 1);
  const upper = Math.min(lower + 1, sigmas.length - 1);
  return at(sigmas, lower) + (at(sigmas, upper) - at(sigmas, lower)) * (timestep - lower);
}

/** The timestep of a level, interpolated between those of training by its logarithm. */
export function timestepAt(sigmas: Float32Array, sigma: number): number {
  const logSigma = Math.log(Math.max(sigma, 1e-10));
  const above = sigmas.findIndex((level) => Math.log(level) > logSigma);
  const lower = Math.max(0, Math.min(above === -1 ? sigmas.length : above - 1, sigmas.length - 2));
  const [low, high] = [Math.log(at(sigmas, lower)), Math.log(at(sigmas, lower + 1))];
  const share = Math.min(Math.max((low - logSigma) / (low - high), 0), 1);
  return (1 - share) * lower + share * (lower + 1);
}

/** `steps` levels from the highest to the lowest, evenly spaced in their seventh root (arXiv 2206.00364, equation 5). */
export function karrasSigmas(highest: number, lowest: number, steps: number): number[] {
  const rho = 7;
  const [from, to] = [highest ** (1 / rho), lowest ** (1 / rho)];
  return linspace(0, 1, steps).map((ramp) => (from + ramp * (to - from)) ** rho);
}
