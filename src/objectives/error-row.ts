/** @file One row of the error matrix: one noisy image under any number of texts, a few pairs a run. */

import { type Stoppable, stopIfAsked } from "../core/errors.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { pickTexts } from "../pipelines/conditioning.js";
import type { Conditioning } from "../pipelines/pipeline.js";
import type { NoisySample } from "../schedulers/index.js";
import type { PairErrors } from "./pair-errors.js";

export interface ErrorRowFeeds extends NoisySample {
  readonly timestep: number;
  /** The texts of the row. */
  readonly conditioning: Conditioning;
  /** [layers, count, width]; null for the plain model. */
  readonly softTokens: FloatTensor | null;
}

export interface ErrorRow {
  /** One a text. */
  readonly errors: readonly number[];
  /** d error / d soft tokens of each text; empty arrays where the graph computes none. */
  readonly gradients: readonly Float32Array[];
}

/** @throws InterruptedError before the next run of the graph where `signal` is aborted */
export async function errorRow(
  pairErrors: PairErrors,
  feeds: ErrorRowFeeds,
  { signal }: Stoppable = {},
): Promise<ErrorRow> {
  const { sample, target, conditioning, softTokens } = feeds;
  const { pairs } = pairErrors;
  const texts = Object.values(conditioning)[0].shape[0];
  const timestep = floatTensor([1], Float32Array.of(feeds.timestep));
  const errors: number[] = [];
  const gradients: Float32Array[] = [];
  for (let start = 0; start < texts; start += pairs) {
    stopIfAsked(signal);
    const real = Math.min(pairs, texts - start);
    // The last run is filled up with its last text, whose repetitions nobody reads.
    const indices = Array.from({ length: pairs }, (_, k) => start + Math.min(k, real - 1));
    const picked = pickTexts(conditioning, indices);
    const results = await pairErrors.run({ sample, target, timestep, conditioning: picked, softTokens });
    errors.push(...results.errors.subarray(0, real));
    const size = results.gradients.length / pairs;
    for (let k = 0; k < real; k++) gradients.push(results.gradients.subarray(k * size, (k + 1) * size));
  }
  return { errors, gradients };
}
