/** @file Denoising errors of image-caption pairs and their gradients with respect to the soft tokens, as one graph. */

import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import { gradientsOfSum } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { input, mul, reduceMean, reshape, sub } from "../graph/ops.js";
import type { Denoiser } from "../pipelines/pipeline.js";
import { targetFor } from "../runtime/engine.js";
import { type PairFeeds, type PairOptions, pairFeeds, predictPairs } from "./pair-predictions.js";

export interface PairErrorOptions extends PairOptions {
  /** Whether all pairs of a run share one target, or each has its own (default: as `images`). */
  readonly targets?: "shared" | "each";
  /** Also compute d error / d soft tokens of every pair. */
  readonly gradients: boolean;
}

export interface PairErrorFeeds extends PairFeeds {
  /** [1 or pairs, channels, h, w]. */
  readonly target: FloatTensor;
}

export interface PairErrorResults {
  /** Mean squared error per pair over channels and pixels, [pairs]. */
  readonly errors: Float32Array;
  /** d error of pair k / d soft tokens, [pairs, layers * count * width]; empty without `gradients`. */
  readonly gradients: Float32Array;
}

/** A compiled graph of the errors of a fixed number of pairs. */
export interface PairErrors {
  run(feeds: PairErrorFeeds): Promise<PairErrorResults>;
  release(): Promise<void>;
}

/**
 * Outputs the gradient of each pair separately: d loss / d error is known only once a whole row of the matrix is, and
 * d loss / d tokens = sum of (d loss / d error) (d error / d tokens). So one pass is enough, and memory depends on the pairs per
 * run, not on the batch size.
 */
export function pairErrorGraph(denoiser: Denoiser, options: PairErrorOptions) {
  const { plan, latentShape, images, targets = images } = options;
  const pairs = plan.pairsPerRun;
  const graph = new Graph({ checkpoints: plan.checkpoints });
  const target = input(graph, "target", [targets === "shared" ? 1 : pairs, ...latentShape]);
  const { predictions, softTokens } = predictPairs(graph, denoiser, options);
  const difference = sub(predictions, target);
  const errors = reduceMean(mul(difference, difference), [1, 2, 3]);
  if (!options.gradients || softTokens === null) return { graph, outputs: { errors } };
  const gradients = at(gradientsOfSum(errors, [softTokens.values]), 0);
  return { graph, outputs: { errors, gradients: reshape(gradients, [pairs, -1]) } };
}

export async function compilePairErrors(denoiser: Denoiser, options: PairErrorOptions): Promise<PairErrors> {
  const { graph, outputs } = pairErrorGraph(denoiser, options);
  const { engine } = denoiser;
  const session = await engine.compile(writeOnnx(graph, outputs, targetFor(engine, options.plan.repackWeights)));
  return {
    async run({ target, ...feeds }) {
      const { errors, gradients } = await session.run({ target, ...pairFeeds(feeds) });
      return {
        errors: (errors as FloatTensor).data,
        gradients: gradients === undefined ? new Float32Array(0) : (gradients as FloatTensor).data,
      };
    },
    release: () => session.release(),
  };
}
