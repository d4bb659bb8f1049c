/** @file From noise to latents. */

import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import { joinConditioning } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline } from "../pipelines/pipeline.js";
import type { DrawNoise, Scheduler } from "../schedulers/index.js";
import type { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { compileGuidedDenoiser, type GuidedDenoiser } from "./guided-denoiser.js";
import { type Predict, runSteps } from "./run-steps.js";

/** What a sampler is compiled for. */
export interface SamplerOptions {
  /** Images a run. */
  readonly images: number;
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  /** Whether there are negative texts. */
  readonly guided: boolean;
  /** Soft tokens for both branches, and how strongly they count; null for the plain model. */
  readonly softTokens: { readonly embedding: SoftTokenEmbedding; readonly strength: number } | null;
  /** Copy the denoiser's weights into faster layouts instead of reading them where they are (the default): less time, more memory. */
  readonly repackWeights?: boolean | undefined;
}

/** The texts of a batch, and the guidance between them. */
export interface PredictorTexts {
  /** One text an image. */
  readonly conditioning: Conditioning;
  /** One negative text an image; null for no guidance. */
  readonly negative: Conditioning | null;
  /** One for all images, or one an image. */
  readonly guidanceScale: number | readonly number[];
}

export interface SampleFeeds extends PredictorTexts {
  /** Unit normal noise [N, channels, h, w]: drawn once to start from, and again by schedulers that add noise on the way. */
  readonly drawNoise: DrawNoise;
  /** The pipeline's own by default. */
  readonly scheduler?: Scheduler | undefined;
  readonly steps: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (done: number, total: number) => void;
}

/** Samples any number of batches of one size. */
export class Sampler {
  private constructor(
    private readonly pipeline: DiffusionPipeline,
    private readonly denoiser: GuidedDenoiser,
    private readonly softTokens: SamplerOptions["softTokens"],
  ) {}

  static async open(pipeline: DiffusionPipeline, options: SamplerOptions): Promise<Sampler> {
    const { softTokens } = options;
    const denoiser = await compileGuidedDenoiser(pipeline, {
      ...options,
      softTokens: softTokens?.embedding.form ?? null,
      strength: softTokens?.strength ?? 1,
    });
    return new Sampler(pipeline, denoiser, softTokens);
  }

  /** Scaled latents [N, channels, h, w] of the finished images. */
  async sample(feeds: SampleFeeds): Promise<FloatTensor> {
    const { drawNoise, signal, onStep } = feeds;
    const run = (feeds.scheduler ?? this.pipeline.scheduler).start(feeds.steps);
    const { shape, data } = drawNoise();
    const noise = floatTensor(
      shape,
      data.map((x) => x * run.initialScale),
    );
    const { sample } = await runSteps(run, run.begin(noise), {
      predict: this.predictor(feeds),
      drawNoise,
      signal,
      afterStep(state) {
        onStep?.(state.index, run.timesteps.length);
        return state;
      },
    });
    return sample;
  }

  /** The guided denoiser for a batch of texts, for use with `runSteps` or another loop. */
  predictor({ negative, conditioning, guidanceScale }: PredictorTexts): Predict {
    const texts = negative ? joinConditioning([negative, conditioning]) : conditioning;
    return async (sample, timestep) =>
      this.denoiser.run({
        sample,
        timestep,
        conditioning: texts,
        softTokens: this.softTokens && (await this.softTokens.embedding.at(timestep)),
        guidanceScale,
      });
  }

  release(): Promise<void> {
    return this.denoiser.release();
  }
}

export type SampleRequest = SampleFeeds &
  Pick<SamplerOptions, "softTokens"> & {
    /** [N, channels, h, w]. */
    readonly shape: Shape;
  };

/** One batch by a sampler of its own. */
export async function sampleLatents(pipeline: DiffusionPipeline, request: SampleRequest): Promise<FloatTensor> {
  const { negative, softTokens } = request;
  const [images = 0, ...latentShape] = request.shape;
  const sampler = await Sampler.open(pipeline, { images, latentShape, guided: negative !== null, softTokens });
  try {
    return await sampler.sample(request);
  } finally {
    await sampler.release();
  }
}
