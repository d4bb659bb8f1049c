/** @file Samples latents from noise. */

import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import { joinConditioning } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline } from "../pipelines/pipeline.js";
import type { DrawNoise, Scheduler } from "../schedulers/index.js";
import type { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { compileGuidedDenoiser, type GuidedDenoiser } from "./guided-denoiser.js";
import type { Injection, Switches } from "./injection.js";
import { runSteps } from "./run-steps.js";

/** The sizes and inputs that a sampler is compiled for. */
export interface SamplerOptions {
  /** Images per run. */
  readonly images: number;
  /** [channels, h, w]. */
  readonly latentShape: Shape;
  /** Whether there are negative prompts. */
  readonly guided: boolean;
  /** Soft tokens for both branches with the weight of their effect, 0..1; null for the plain model. */
  readonly softTokens: { readonly embedding: SoftTokenEmbedding; readonly strength: number } | null;
  /** Copy the denoiser's weights into faster layouts (default false): less time, more memory. */
  readonly repackWeights?: boolean | undefined;
  /** Lets rows of the batch take values from other rows inside the denoiser. */
  readonly injection?: Injection | undefined;
}

/** The encoded prompts of a batch and their guidance. */
export interface PredictorTexts {
  /** One prompt per image. */
  readonly conditioning: Conditioning;
  /** One negative prompt per image; null without guidance. */
  readonly negative: Conditioning | null;
  /** Shared by all images, or one per image. */
  readonly guidanceScale: number | readonly number[];
}

export interface SampleFeeds extends PredictorTexts {
  /** Returns standard normal noise [N, channels, h, w]: the initial noise, then that of schedulers that add noise. */
  readonly drawNoise: DrawNoise;
  /** Default: the pipeline's scheduler. */
  readonly scheduler?: Scheduler | undefined;
  readonly steps: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (done: number, total: number) => void;
}

/** A compiled denoiser that samples any number of batches of one size. */
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

  /**
   * Samples scaled latents [N, channels, h, w].
   *
   * @throws InterruptedError before the next evaluation if the signal is aborted
   */
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

  /** The guided denoiser for a batch of prompts, for `runSteps` or a custom loop; `switches` are those of the injection. */
  predictor({ negative, conditioning, guidanceScale }: PredictorTexts) {
    const texts = negative ? joinConditioning([negative, conditioning]) : conditioning;
    return async (sample: FloatTensor, timestep: number, switches?: Switches): Promise<FloatTensor> =>
      this.denoiser.run({
        sample,
        timestep,
        conditioning: texts,
        softTokens: this.softTokens && (await this.softTokens.embedding.at(timestep)),
        guidanceScale,
        switches,
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

/** Samples one batch with a temporary sampler. */
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
