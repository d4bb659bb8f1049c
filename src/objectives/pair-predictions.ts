/** @file The denoiser's predictions for image-caption pairs, as part of a graph or as a forward graph of its own. */

import type { FloatTensor, Shape } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { input } from "../graph/ops.js";
import { conditioningInputs, softTokenFeed, softTokenInput } from "../pipelines/inputs.js";
import type { Conditioning, Denoiser, SoftTokenInput, SoftTokenSpec } from "../pipelines/pipeline.js";
import { denoiseAtStrength } from "../pipelines/strength.js";
import { targetFor } from "../runtime/engine.js";
import type { ExecutionPlan } from "./execution-plan.js";

export interface PairOptions {
  readonly plan: ExecutionPlan;
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  /** Whether all pairs of a run share one image, or each has its own. */
  readonly images: "shared" | "each";
  /** Null for the plain model. */
  readonly softTokens: SoftTokenSpec | null;
  /** 0..1, the weight of the soft tokens' effect (default 1). */
  readonly strength?: number;
}

export interface PairFeeds {
  /** Noisy latents, [1 or pairs, channels, h, w]. */
  readonly sample: FloatTensor;
  /** [1]. */
  readonly timestep: FloatTensor;
  /** One caption per pair. */
  readonly conditioning: Conditioning;
  /** [layers, count, width]. */
  readonly softTokens: FloatTensor | null;
}

/** A compiled graph of the predictions of a fixed number of pairs. */
export interface PairPredictions {
  /** [pairs, channels, h, w]. */
  run(feeds: PairFeeds): Promise<FloatTensor>;
  release(): Promise<void>;
}

/** Adds the inputs of `PairFeeds` and the denoiser's predictions [pairs, channels, h, w]. */
export function predictPairs(
  graph: Graph,
  denoiser: Denoiser,
  { plan, latentShape, images, softTokens: form, strength = 1 }: PairOptions,
): { readonly predictions: Value; readonly softTokens: SoftTokenInput | null } {
  const pairs = plan.pairsPerRun;
  const sample = input(graph, "sample", [images === "shared" ? 1 : pairs, ...latentShape]);
  const timestep = input(graph, "timestep", [1]);
  const conditioning = conditioningInputs(graph, denoiser, pairs);
  const softTokens = form && softTokenInput(graph, form, pairs);
  const inputs = { sample, timestep, conditioning, softTokens };
  return { predictions: denoiseAtStrength(denoiser, graph, inputs, strength), softTokens };
}

/** The feeds for the inputs that `predictPairs` adds. */
export function pairFeeds({ sample, timestep, conditioning, softTokens }: PairFeeds) {
  return { sample, timestep, ...conditioning, ...softTokenFeed(softTokens) };
}

export function pairPredictionGraph(denoiser: Denoiser, options: PairOptions) {
  const graph = new Graph();
  return { graph, outputs: { predictions: predictPairs(graph, denoiser, options).predictions } };
}

/** Ignores `plan.repackWeights`: repacked copies pay off only for the graph with gradients. */
export async function compilePairPredictions(denoiser: Denoiser, options: PairOptions): Promise<PairPredictions> {
  const { graph, outputs } = pairPredictionGraph(denoiser, options);
  const session = await denoiser.engine.compile(writeOnnx(graph, outputs, targetFor(denoiser.engine, false)));
  return {
    run: async (feeds) => (await session.run(pairFeeds(feeds))).predictions as FloatTensor,
    release: () => session.release(),
  };
}
