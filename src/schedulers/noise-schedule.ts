/**
 * @file The noise schedule of DDPM (arXiv 2006.11239): x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps, where a_t is the product of
 * 1 - beta up to t. Rounds to float32 where diffusers uses tensors.
 */

import { at } from "../core/lists.js";
import type { DiffusionConfig } from "./diffusion-config.js";
import type { NoiseSchedule } from "./noisy-sample.js";
import { parametrisations } from "./parametrisation.js";

export interface DiffusionSchedule extends NoiseSchedule {
  /** a_t of each training timestep (diffusers' alphas_cumprod). */
  readonly alphas: Float32Array;
}

export function noiseSchedule(config: DiffusionConfig): DiffusionSchedule {
  const alphas = alphasOf(config);
  return {
    trainTimesteps: alphas.length,
    parametrisation: parametrisations[config.prediction_type],
    alphas,
    levelAt(timestep) {
      const a = alphas[timestep];
      if (a === undefined) throw new RangeError(`timestep ${timestep} is not an integer in 0..${alphas.length - 1}`);
      const [signal, noise] = [Math.fround(Math.sqrt(a)), Math.fround(Math.sqrt(Math.fround(1 - a)))];
      return { signal, noise, sigma: noise / signal, variance: 1 };
    },
  };
}

function alphasOf(config: DiffusionConfig): Float32Array {
  const plain = betasOf(config).map((beta) => 1 - beta);
  const products = cumulativeProduct(plain);
  return config.rescale_betas_zero_snr ? zeroTerminalSnr(products) : products;
}

function betasOf(config: DiffusionConfig): Float32Array {
  const { num_train_timesteps: count, beta_start, beta_end, beta_schedule, trained_betas } = config;
  if (trained_betas) return Float32Array.from(trained_betas);
  switch (beta_schedule) {
    case "linear":
      return linspace(beta_start, beta_end, count);
    case "scaled_linear":
      return linspace(Math.sqrt(beta_start), Math.sqrt(beta_end), count).map((root) => root * root);
    case "squaredcos_cap_v2": {
      const bar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
      return Float32Array.from({ length: count }, (_, i) => Math.min(1 - bar((i + 1) / count) / bar(i / count), 0.999));
    }
  }
}

/** torch.linspace in float32, which computes each half from its end. */
function linspace(start: number, end: number, count: number): Float32Array {
  const [first, last] = [Math.fround(start), Math.fround(end)];
  const step = Math.fround((last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < Math.floor(count / 2) ? first + Math.fround(step * i) : last - Math.fround(step * (count - 1 - i)),
  );
}

/** torch.cumprod of float32 values, which accumulates in float64. */
function cumulativeProduct(factors: Float32Array): Float32Array {
  let product = 1;
  return factors.map((factor) => {
    product *= factor;
    return product;
  });
}

/** Shifts and scales sqrt(a) so that the last value is 0 and the first is unchanged (arXiv 2305.08891, algorithm 1). */
function zeroTerminalSnr(alphas: Float32Array): Float32Array {
  const roots = alphas.map(Math.sqrt);
  const [first, last] = [at(roots, 0), at(roots, roots.length - 1)];
  const scale = Math.fround(first / Math.fround(first - last));
  const squares = roots.map((root) => Math.fround(Math.fround(root - last) * scale) ** 2);
  // Through betas, as in diffusers.
  const betas = squares.map((square, i) => 1 - Math.fround(i === 0 ? square : square / at(squares, i - 1)));
  return cumulativeProduct(betas.map((beta) => 1 - beta));
}
