/** @file Denoising errors of image-caption pairs, and their gradients towards each pair's soft tokens, as one graph. */

import type { FloatTensor, Shape } from "../core/tensor.js";
import { gradientsOfSum } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { input, mul, reduceMean, reshape, sub } from "../graph/ops.js";
import { conditioningInputs, softTokenFeed, softTokenInput } from "../pipelines/inputs.js";
import type { Conditioning, Denoiser, SoftTokenForm } from "../pipelines/pipeline.js";
import { denoiseAtStrength } from "../pipelines/strength.js";
import { targetFor } from "../runtime/engine.js";
import type { ExecutionPlan } from "./execution-plan.js";

export interface PairErrorOptions {
  readonly plan: ExecutionPlan;
  /** Latent sizes [channels, h, w]. */
  readonly latentShape: Shape;
  /** Whether all pairs of a run share one image, or each has its own. */
  readonly images: "shared" | "each";
  /** Null for the plain model. */
  readonly softTokens: SoftTokenForm | null;
  /** 0..1, how much of the soft tokens' effect counts (default 1). */
  readonly strength?: number;
  /** Also compute d error / d soft tokens of every pair. */
  readonly gradients: boolean;
}

export interface PairErrorFeeds {
  /** Noisy latents and the denoiser's target, [1 or pairs, channels, h, w]. */
  readonly sample: FloatTensor;
  readonly target: FloatTensor;
  /** [1]. */
  readonly timestep: FloatTensor;
  /** First axis: pairs. */
  readonly conditioning: Conditioning;
  /** [layers, count, width]. */
  readonly softTokens: FloatTensor | null;
}

export interface PairErrorResults {
  /** Mean squared error of each pair over channels and pixels, [pairs]. */
  readonly errors: Float32Array;
  /** d error of pair k / d soft tokens, [pairs, layers * count * width]; empty when not asked for. */
  readonly gradients: Float32Array;
}

/** A compiled graph that judges a fixed number of pairs a run. */
export interface PairErrors {
  /** Pairs a run. */
  readonly pairs: number;
  run(feeds: PairErrorFeeds): Promise<PairErrorResults>;
  release(): Promise<void>;
}

/**
 * Every pair's gradient comes out on its own: the loss's derivative by each error is known only once a whole row
 * of the matrix is, and d loss / d tokens = sum of (d loss / d error) (d error / d tokens). So one pass is enough
 * and memory depends on the pairs a run, never on the batch.
 */
export function pairErrorGraph(pipeline: Denoiser, options: PairErrorOptions) {
  const { latentShape, images, softTokens: form } = options;
  const { pairsPerRun: pairs, checkpoints } = options.plan;
  const graph = new Graph({ checkpoints });
  const sampleShape = [images === "shared" ? 1 : pairs, ...latentShape];
  const sample = input(graph, "sample", sampleShape);
  const target = input(graph, "target", sampleShape);
  const timestep = input(graph, "timestep", [1]);
  const conditioning = conditioningInputs(graph, pipeline, pairs);
  const softTokens = form && softTokenInput(graph, form, pairs);
  const prediction = denoiseAtStrength(
    pipeline,
    graph,
    { sample, timestep, conditioning, softTokens },
    options.strength ?? 1,
  );
  const difference = sub(prediction, target);
  const errors = reduceMean(mul(difference, difference), [1, 2, 3]);
  if (!options.gradients || softTokens === null) return { graph, outputs: { errors } };
  const [gradients] = gradientsOfSum(errors, [softTokens.values]);
  return { graph, outputs: { errors, gradients: reshape(gradients, [pairs, -1]) } };
}

export async function compilePairErrors(pipeline: Denoiser, options: PairErrorOptions): Promise<PairErrors> {
  const { graph, outputs } = pairErrorGraph(pipeline, options);
  const { engine } = pipeline;
  const session = await engine.compile(writeOnnx(graph, outputs, targetFor(engine, options.plan.repackWeights)));
  return {
    pairs: options.plan.pairsPerRun,
    async run({ sample, target, timestep, conditioning, softTokens }) {
      const results = await session.run({ sample, target, timestep, ...conditioning, ...softTokenFeed(softTokens) });
      return {
        errors: results.errors.data as Float32Array,
        gradients: (results.gradients?.data ?? new Float32Array(0)) as Float32Array,
      };
    },
    release: () => session.release(),
  };
}
