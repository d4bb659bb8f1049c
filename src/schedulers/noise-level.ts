/** @file Noise levels: the weights of signal and noise in a sample. */

/** The weights of a sample `signal * x_0 + noise * eps` with clean sample x_0 and standard normal noise eps. */
export interface NoiseLevel {
  readonly signal: number;
  readonly noise: number;
  /** noise / signal; for a rectified flow, its time. */
  readonly sigma: number;
  /** The model's input is sample / sqrt(variance). */
  readonly variance: number;
}

/** sqrt(a) x_0 + sqrt(1 - a) eps: DDPM, with variance-preserving samples. */
export function levelOfAlpha(a: number): NoiseLevel {
  return { signal: Math.sqrt(a), noise: Math.sqrt(1 - a), sigma: Math.sqrt((1 - a) / a), variance: 1 };
}

/** The same level, given sigma = sqrt((1 - a) / a). */
export function levelOfSigma(sigma: number): NoiseLevel {
  const signal = 1 / Math.sqrt(sigma ** 2 + 1);
  return { signal, noise: sigma * signal, sigma, variance: 1 };
}

/** x_0 + sigma eps: the variance-exploding form of Euler's method (arXiv 2206.00364). */
export function explodingLevel(sigma: number): NoiseLevel {
  return { signal: 1, noise: sigma, sigma, variance: sigma ** 2 + 1 };
}

/** (1 - sigma) x_0 + sigma eps: rectified flow (arXiv 2403.03206), in float32 as in diffusers. */
export function flowLevel(sigma: number): NoiseLevel {
  return { signal: Math.fround(1 - sigma), noise: Math.fround(sigma), sigma, variance: 1 };
}
