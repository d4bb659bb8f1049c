/** @file The denoiser with classifier-free guidance (arXiv 2207.12598) as one graph, with both branches in one batch. */

import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { add, concat, input, mul, slice, sub } from "../graph/ops.js";
import { conditioningInputs, softTokenFeed, softTokenInput } from "../pipelines/inputs.js";
import type { Conditioning, Denoiser, SoftTokenSpec } from "../pipelines/pipeline.js";
import { denoiseAtStrength } from "../pipelines/strength.js";
import { targetFor } from "../runtime/engine.js";
import { type Injection, type Switches, switchFeeds, withInjection } from "./injection.js";

export interface GuidedDenoiserOptions {
  /** Images per run. */
  readonly images: number;
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  /** Whether there is a negative branch. */
  readonly guided: boolean;
  /** Used in both branches; null for the plain model. */
  readonly softTokens: SoftTokenSpec | null;
  /** 0..1, the weight of the soft tokens' effect (default 1). */
  readonly strength?: number;
  /** Copy weights into faster layouts (default false): less time, more memory. */
  readonly repackWeights?: boolean | undefined;
  /** Lets rows of the batch take values from other rows inside the denoiser. */
  readonly injection?: Injection | undefined;
}

export interface GuidedDenoiserFeeds {
  /** [images, channels, h, w]. */
  readonly sample: FloatTensor;
  readonly timestep: number;
  /** The negative prompts of the images (if guided), then their prompts. */
  readonly conditioning: Conditioning;
  readonly softTokens: FloatTensor | null;
  /** Shared by all images, or one per image; may change between runs without recompilation. */
  readonly guidanceScale: number | readonly number[];
  /** Switches of the injection. */
  readonly switches?: Switches | undefined;
}

export interface GuidedDenoiser {
  /** negative + guidance scale * (positive - negative), [images, channels, h, w]. */
  run(feeds: GuidedDenoiserFeeds): Promise<FloatTensor>;
  release(): Promise<void>;
}

export function guidedDenoiserGraph(pipeline: Denoiser, options: GuidedDenoiserOptions) {
  const { images, latentShape, guided, softTokens: form, strength = 1, injection } = options;
  const texts = guided ? 2 * images : images;
  const graph = new Graph();
  const sample = input(graph, "sample", [images, ...latentShape]);
  const timestep = input(graph, "timestep", [1]);
  const conditioning = conditioningInputs(graph, pipeline, texts);
  const softTokens = form && softTokenInput(graph, form, texts);
  const denoise = (samples: Value): Value =>
    withInjection(graph, injection, () =>
      denoiseAtStrength(pipeline, graph, { sample: samples, timestep, conditioning, softTokens }, strength),
    );
  if (!guided) return { graph, outputs: { prediction: denoise(sample) } };
  const both = denoise(concat([sample, sample], 0));
  const [negative, positive] = [slice(both, 0, 0, images), slice(both, 0, images)];
  const guidance = input(graph, "guidance_scale", [images, 1, 1, 1]);
  return { graph, outputs: { prediction: add(negative, mul(guidance, sub(positive, negative))) } };
}

export async function compileGuidedDenoiser(
  pipeline: Denoiser,
  options: GuidedDenoiserOptions,
): Promise<GuidedDenoiser> {
  const { graph, outputs } = guidedDenoiserGraph(pipeline, options);
  const { engine } = pipeline;
  const session = await engine.compile(writeOnnx(graph, outputs, targetFor(engine, options.repackWeights)));
  return {
    async run({ sample, timestep, conditioning, softTokens, guidanceScale, switches = {} }) {
      const { prediction } = await session.run({
        sample,
        timestep: floatTensor([1], Float32Array.of(timestep)),
        ...conditioning,
        ...softTokenFeed(softTokens),
        ...(options.guided && { guidance_scale: perImage(guidanceScale, options.images) }),
        ...switchFeeds(options.injection, switches),
      });
      return prediction as FloatTensor;
    },
    release: () => session.release(),
  };
}

/** [images, 1, 1, 1]. */
function perImage(scale: number | readonly number[], images: number): FloatTensor {
  const scales = typeof scale === "number" ? new Float32Array(images).fill(scale) : Float32Array.from(scale);
  return floatTensor([images, 1, 1, 1], scales);
}
