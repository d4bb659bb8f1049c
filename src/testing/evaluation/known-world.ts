/**
 * @file Worlds whose mutual information is known, with the denoiser that is the best possible one: what the estimate must find.
 *
 * In both, x given the caption y is normal, with a mean m(y) and one variance V in every dimension. The best estimate of the
 * noise in x_t = A x + B noise is then B (x_t - A m) / (A^2 V + B^2).
 */

import { after } from "node:test";
import type { Generator } from "../../core/random.js";
import { type FloatTensor, floatTensor, type Shape, sizeOf } from "../../core/tensor.js";
import type { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import { add, div, mul, reduceSum, reshape, sigmoid, sqrt, sub, tanh } from "../../graph/ops.js";
import type { Conditioning, Denoiser, DenoiserInputs } from "../../pipelines/pipeline.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { type NoiseLevel, type PredictionType, parametrisations } from "../../schedulers/index.js";

/** What the network predicts, and along which path samples become noise. */
export type Parameterisation = "flow" | "noise" | "v";

const latentShape: Shape = [1, 2, 4];
const dimensions = sizeOf(latentShape);
const trainTimesteps = 1000;

/** Where the schedule of noise and v prediction begins; its log-SNR falls in a straight line to the negative. */
const widestLogSnr = 12;

export interface KnownWorld {
  readonly denoiser: Denoiser;
  /** Conditioning of no caption. */
  readonly empty: Conditioning;
  /** Images [N, 1, 2, 4] with a caption each. */
  draw(count: number, random: Generator): KnownPairs;
  /** log p(x | y) - log p(x) of each pair, in nats. */
  information(pairs: KnownPairs): number[];
}

export interface KnownPairs {
  readonly latents: FloatTensor;
  readonly conditioning: Conditioning;
}

/** y = x + deviation * noise with x standard normal: I(x; y) = d / 2 log(1 + 1 / deviation^2). */
export function gaussianWorld(parameterisation: Parameterisation, deviation: number): KnownWorld {
  const gain = 1 / (1 + deviation ** 2);
  const variance = deviation ** 2 * gain;
  return {
    denoiser: knownDenoiser(parameterisation, { mean: latentShape, variance: [1] }, ({ conditioning }) => ({
      mean: conditioning.mean,
      variance: reshape(conditioning.variance, [-1, 1, 1, 1]),
    })),
    empty: { mean: floatTensor([1, ...latentShape]), variance: floatTensor([1, 1], Float32Array.of(1)) },
    draw(count, random) {
      const shape = [count, ...latentShape];
      const [latents, noise] = [random.normal(shape), random.normal(shape)];
      const means = latents.data.map((x, i) => gain * (x + deviation * noise.data[i]));
      const variances = new Float32Array(count).fill(variance);
      return {
        latents,
        conditioning: { mean: floatTensor(shape, means), variance: floatTensor([count, 1], variances) },
      };
    },
    information: ({ latents, conditioning: { mean } }) =>
      sumsOfPairs(latents.data, (x, i) => (x ** 2 - (x - mean.data[i]) ** 2 / variance - Math.log(variance)) / 2),
  };
}

/** x = y * offset + deviation * noise with y = +-1 at even odds: a mixture of two, of which the caption tells which one. */
export function mixtureWorld(parameterisation: Parameterisation, offset: number, deviation: number): KnownWorld {
  const variance = deviation ** 2;
  return {
    denoiser: knownDenoiser(parameterisation, { sign: [1] }, ({ conditioning, sample }, a, total) => {
      const { sign } = conditioning;
      // The odds of +1 are exp(2 A offset (sum of x_t) / (A^2 V + B^2)); a known sign overrules them.
      const sum = reshape(reduceSum(sample, [1, 2, 3]), [-1, 1]);
      const guess = tanh(div(mul(mul(sum, offset), reshape(a, [1, 1])), reshape(total(variance), [1, 1])));
      const expected = add(sign, mul(sub(1, mul(sign, sign)), guess));
      return { mean: mul(reshape(expected, [-1, 1, 1, 1]), offset), variance };
    }),
    empty: { sign: floatTensor([1, 1]) },
    draw(count, random) {
      const noise = random.normal([count, ...latentShape]);
      const signs = random.normal([count, 1]).data.map((x) => (x < 0 ? -1 : 1));
      const data = noise.data.map((x, i) => signs[Math.floor(i / dimensions)] * offset + deviation * x);
      return { latents: floatTensor(noise.shape, data), conditioning: { sign: floatTensor([count, 1], signs) } };
    },
    information: ({ latents, conditioning: { sign } }) =>
      sumsOfPairs(latents.data, (x) => (2 * offset * x) / variance).map(
        (lead, pair) => Math.log(2) - Math.log1p(Math.exp(-lead * sign.data[pair])),
      ),
  };
}

/** `value` of every number, summed over the dimensions of each pair. */
function sumsOfPairs(data: Float32Array, value: (x: number, index: number) => number): number[] {
  const sums = new Array<number>(data.length / dimensions).fill(0);
  for (const [i, x] of data.entries()) sums[Math.floor(i / dimensions)] += value(x, i);
  return sums;
}

/** Mean [N, ...] and variance of x before it is noised, of a signal factor A and A^2 V + B^2 as a function of V. */
type Posterior = (
  inputs: DenoiserInputs,
  a: Value,
  total: (variance: Value | number) => Value,
) => { readonly mean: Value; readonly variance: Value | number };

function knownDenoiser(
  parameterisation: Parameterisation,
  conditioningShapes: Denoiser["conditioningShapes"],
  posterior: Posterior,
): Denoiser {
  const engine = new OnnxRuntimeEngine("cpu", 1);
  after(() => engine.close());
  const never = (): never => {
    throw new Error("not part of this world");
  };
  return {
    engine,
    softTokenLayout: { family: "sd3", placement: "prefix", layers: 1, rawWidth: 1, projectedWidth: 1, stages: null },
    scheduler: {
      title: "none",
      trainTimesteps,
      parametrisation: parametrisations[predictionTypes[parameterisation]],
      levelAt: (timestep) => levelAt(parameterisation, timestep),
      start: never,
      startInverse: never,
    },
    conditioningShapes,
    tokensPerPair: () => 1,
    projectSoftTokens: never,
    denoise(_: Graph, inputs) {
      const { sample, timestep } = inputs;
      const { a, b } = signalAndNoise(parameterisation, reshape(timestep, [1, 1, 1, 1]));
      const total = (variance: Value | number) => add(mul(mul(a, a), variance), mul(b, b));
      const { mean, variance } = posterior(inputs, a, total);
      const rest = div(sub(sample, mul(a, mean)), total(variance));
      const noise = mul(b, rest);
      const clean = add(mean, mul(mul(a, variance), rest));
      if (parameterisation === "noise") return noise;
      return parameterisation === "flow" ? sub(noise, clean) : sub(mul(a, noise), mul(b, clean));
    },
  };
}

/** Factors of image and noise at a timestep inside a graph. */
function signalAndNoise(parameterisation: Parameterisation, timestep: Value): { a: Value; b: Value } {
  if (parameterisation === "flow") {
    const b = mul(timestep, 1 / trainTimesteps);
    return { a: sub(1, b), b };
  }
  const logSnr = sub(widestLogSnr, mul(timestep, (2 * widestLogSnr) / (trainTimesteps - 1)));
  return { a: sqrt(sigmoid(logSnr)), b: sqrt(sigmoid(mul(logSnr, -1))) };
}

const predictionTypes: Readonly<Record<Parameterisation, PredictionType>> = {
  flow: "flow",
  noise: "epsilon",
  v: "v_prediction",
};

function levelAt(parameterisation: Parameterisation, timestep: number): NoiseLevel {
  const logSnr = widestLogSnr - (2 * widestLogSnr * timestep) / (trainTimesteps - 1);
  const s = timestep / trainTimesteps;
  const [signal, noise] =
    parameterisation === "flow"
      ? [1 - s, s]
      : [Math.sqrt(1 / (1 + Math.exp(-logSnr))), Math.sqrt(1 / (1 + Math.exp(logSnr)))];
  return { signal, noise, sigma: noise / signal, variance: 1 };
}
