/** @file `Model`: an opened diffusion model, which generates, trains and scores. */

import { randomInt } from "node:crypto";
import { UsageError } from "../core/errors.js";
import { maxSeed } from "../core/option-values.js";
import type { OpenPipelineOptions } from "../families/open.js";
import { modelName } from "../pipelines/model-name.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { GeneratedImage } from "../sampling/generated-image.js";
import { generateImages } from "../sampling/image-files.js";
import { SamplingCache } from "../sampling/sampling-cache.js";
import { requireBase } from "../softtokens/provenance.js";
import { Generation } from "./generation.js";
import { type ScoreOptions, type ScoreResult, scoreImages } from "./score.js";
import type { SoftTokens } from "./soft-tokens.js";
import { type Run, startTraining, type TrainOptions } from "./train.js";

/** Everything has the default of the model family. */
export interface GenerateOptions {
  /** Soft tokens; none by default. */
  readonly tokens?: SoftTokens | undefined;
  /** How strongly the tokens act, 0..1 (default 1). */
  readonly strength?: number | undefined;
  /** Use tokens that were trained on another base model (default false). */
  readonly force?: boolean | undefined;
  /** Of the first image of each prompt, 0..2^32-1; the others count up from it. Chosen at random by default. */
  readonly seed?: number | undefined;
  /** Images per prompt (default 1). */
  readonly images?: number | undefined;
  readonly negativePrompt?: string | undefined;
  /** Denoising steps. */
  readonly steps?: number | undefined;
  /** 1 is no guidance. */
  readonly guidanceScale?: number | undefined;
  /** Such as "ddim" or "euler"; the names of the command line. */
  readonly scheduler?: string | undefined;
  /** In pixels. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Images that are denoised together (default 1). */
  readonly batchSize?: number | undefined;
  /** Copy the denoiser's weights into faster layouts (default false): less time per step, more memory. */
  readonly repackWeights?: boolean | undefined;
  /** Stops before the next step with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Denoising steps done, of all images together. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** A prompt that a text encoder did not read to its end. */
  readonly onTruncated?: ((prompt: TruncatedPrompt) => void) | undefined;
}

/**
 * An opened model. It stays warm: compiled denoisers, encoders and the prompt embeds of earlier calls are kept (the embeds up to
 * 256 MiB), so that a second call of the same size compiles nothing. `close()`, or `await using`, frees everything.
 */
export class Model implements AsyncDisposable {
  private readonly cache: SamplingCache;
  private closing: Promise<void> | undefined;

  constructor(
    /** The path that it was opened from. */
    readonly path: string,
    /** The networks underneath, for uses that this class does not have. */
    readonly pipeline: DiffusionPipeline,
    private readonly files: OpenPipelineOptions,
  ) {
    this.cache = new SamplingCache(pipeline);
  }

  /** The model family, such as "sd3". */
  get family(): string {
    return this.pipeline.family;
  }

  /**
   * Generates images: prompt after prompt, each with its images in the order of their seeds.
   *
   * @throws UsageError if an option is wrong; InputError if the tokens belong to another model
   */
  generate(prompt: string | readonly string[], options: GenerateOptions = {}): Generation {
    return new Generation(this.images(typeof prompt === "string" ? [prompt] : prompt, options));
  }

  /**
   * Trains soft tokens in a run folder, and returns the run, whose events are iterated.
   *
   * @throws UsageError if an option is wrong
   */
  async train(options: TrainOptions): Promise<Run> {
    this.requireOpen();
    const { families: _, ...files } = this.files;
    return startTraining(this.pipeline, files, options);
  }

  /** Measures how well each caption explains each image, by mean denoising errors. */
  async score(options: ScoreOptions): Promise<ScoreResult> {
    this.requireOpen();
    await this.requireTokens(options.tokens, options.force);
    return scoreImages(this.pipeline, options);
  }

  /** Waits for the run of a graph that is under way, then frees everything. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      await this.cache.close();
      await this.pipeline.releaseEncoders();
      await this.pipeline.engine.close();
    })();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async *images(prompts: readonly string[], options: GenerateOptions): AsyncGenerator<GeneratedImage, void> {
    this.requireOpen();
    const { tokens, strength = 1, images: count = 1, seed = randomInt(2 ** 31), batchSize: batch = 1 } = options;
    requireInteger("seed", seed, 0, maxSeed);
    requireInteger("images", count, 1, 10_000);
    requireInteger("batchSize", batch, 1, 10_000);
    if (options.steps !== undefined) requireInteger("steps", options.steps, 1, 1000);
    if (!(strength >= 0 && strength <= 1))
      throw new UsageError(`\`strength\` must be between 0 and 1, not ${strength}`);
    if (prompts.length === 0) throw new UsageError("`prompt` is an empty list");
    await this.requireTokens(tokens, options.force);
    // Every prompt starts from the same seed, so that prompts can be compared on the same noise.
    const jobs = prompts.flatMap((prompt) =>
      Array.from({ length: count }, (_, index) => ({ prompt, seed: (seed + index) % (maxSeed + 1) })),
    );
    const { repackWeights, signal, onProgress, onTruncated } = options;
    const generated = generateImages(this.pipeline, {
      jobs,
      model: modelName(this.path),
      tokens: tokens ? { softTokens: tokens, file: tokens.file ?? "in memory", strength } : null,
      negative: options.negativePrompt ?? "",
      steps: options.steps,
      guidance: options.guidanceScale,
      scheduler: options.scheduler,
      width: options.width,
      height: options.height,
      batch,
      repackWeights,
      cache: this.cache,
      maxSequenceLength: this.files.maxSequenceLength,
      variant: this.files.variant,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      ...(onTruncated && { onTruncated }),
    });
    for await (const { image } of generated) yield image;
  }

  private async requireTokens(tokens: SoftTokens | undefined, force = false): Promise<void> {
    if (tokens !== undefined) requireBase(tokens, await this.pipeline.fingerprint(), force, () => {});
  }

  private requireOpen(): void {
    if (this.closing !== undefined) throw new UsageError(`the model ${this.path} is closed`);
  }
}

function requireInteger(option: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new UsageError(`\`${option}\` must be an integer between ${least} and ${most}, not ${value}`);
}
