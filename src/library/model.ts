/** @file `Model`: an opened diffusion model that generates, edits, trains and scores. */

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
import { type EditOptions, edit } from "./edit.js";
import { Generation } from "./generation.js";
import { type ScoreOptions, type ScoreResult, scoreImages } from "./score.js";
import type { SoftTokens } from "./soft-tokens.js";
import { type Run, startTraining, type TrainOptions } from "./train.js";

/** Omitted options have the defaults of the model family. */
export interface GenerateOptions {
  /** Default: none. */
  readonly tokens?: SoftTokens | undefined;
  /** 0..1, the weight of the tokens' effect (default 1). */
  readonly strength?: number | undefined;
  /** Use tokens that were trained on another base model (default false). */
  readonly force?: boolean | undefined;
  /** Seed of the first image of each prompt, 0..2^32-1; further images count up from it (default: random). */
  readonly seed?: number | undefined;
  /** Images per prompt (default 1). */
  readonly images?: number | undefined;
  readonly negativePrompt?: string | undefined;
  /** Denoising steps. */
  readonly steps?: number | undefined;
  /** Classifier-free guidance scale; no guidance at 1 or below. */
  readonly guidanceScale?: number | undefined;
  /** E.g. "ddim" or "euler"; the names of the command line. */
  readonly scheduler?: string | undefined;
  /** In pixels (default: the model's native size). */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Images that are denoised together (default 1). */
  readonly batchSize?: number | undefined;
  /** Copy the denoiser's weights into faster layouts (default false): less time per step, more memory. */
  readonly repackWeights?: boolean | undefined;
  /** Stops before the next step with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the finished and total denoising steps of all images. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called if a text encoder truncates a prompt. */
  readonly onTruncated?: ((prompt: TruncatedPrompt) => void) | undefined;
}

/**
 * An opened model. It keeps compiled denoisers, encoders and prompt embeds (up to 256 MiB) between calls, so a second call with the same
 * size compiles nothing. `close()` or `await using` frees everything.
 */
export class Model implements AsyncDisposable {
  private readonly cache: SamplingCache;
  private closing: Promise<void> | undefined;

  constructor(
    /** The path of the opened files. */
    readonly path: string,
    /** The underlying networks, for uses beyond this class. */
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
   * Generates the images of each prompt, in the order of prompts and seeds.
   *
   * @throws UsageError if an option is invalid; InputError if the tokens belong to another model
   */
  generate(prompt: string | readonly string[], options: GenerateOptions = {}): Generation {
    return new Generation(this.images(typeof prompt === "string" ? [prompt] : prompt, options));
  }

  /**
   * Edits an image: a png, jpeg or webp file, or a generated image.
   *
   * ```ts
   * const [image] = await model.generate("a cat on a bench", { seed: 7 });
   * const edited = await model.edit(image, { source: "a cat on a bench", target: "a dog on a bench" });
   * ```
   *
   * @throws UsageError if an option is wrong or the method does not use it; InputError if the image, the mask or the tokens cannot be
   *   used
   */
  async edit(image: string | GeneratedImage, options: EditOptions): Promise<GeneratedImage> {
    this.requireOpen();
    const { tokens, strength = 1, seed = 0, maskGrow = 0, feather = 0 } = options;
    requireInteger("seed", seed, 0, maxSeed);
    requireInteger("maskGrow", maskGrow, 0, 8192);
    requireInteger("feather", feather, 0, 8192);
    requireStrength(strength);
    await this.requireTokens(tokens, options.force);
    const { pipeline, cache, path, files } = this;
    return edit({ pipeline, cache, path, files }, image, options);
  }

  /**
   * Trains soft tokens in a run folder. Iterate the events of the returned run to train.
   *
   * @throws UsageError if an option is invalid
   */
  async train(options: TrainOptions): Promise<Run> {
    this.requireOpen();
    const { families: _, ...files } = this.files;
    return startTraining(this.pipeline, files, options);
  }

  /**
   * Computes the matrix of mean denoising errors of images and captions.
   *
   * @throws UsageError if an option is invalid; InputError if an image cannot be read or the tokens belong to another model
   */
  async score(options: ScoreOptions): Promise<ScoreResult> {
    this.requireOpen();
    await this.requireTokens(options.tokens, options.force);
    return scoreImages(this.pipeline, options);
  }

  /** Waits for the current run of a graph, then frees everything. */
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
    requireStrength(strength);
    if (prompts.length === 0) throw new UsageError("`prompt` is an empty list");
    await this.requireTokens(tokens, options.force);
    // All prompts use the same seeds, so that they can be compared on the same noise.
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

function requireStrength(strength: number): void {
  if (strength >= 0 && strength <= 1) return;
  throw new UsageError(`\`strength\` must be between 0 and 1, not ${strength}`);
}

function requireInteger(option: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new UsageError(`\`${option}\` must be an integer between ${min} and ${max}, not ${value}`);
}
