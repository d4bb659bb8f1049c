/** @file What every model family offers to training, sampling and scoring. */

import type { Stoppable } from "../core/errors.js";
import type { FloatTensor, Shape } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/scheduler.js";

/** What the denoiser is told about the texts, by input name; the first axis counts texts. */
export type Conditioning = Readonly<Record<string, FloatTensor>>;

/** The same inside a graph. */
export interface DenoiserInputs {
  /** Noisy latents [S, channels, h, w]; S is the number of texts, or 1 when all texts look at one image. */
  readonly sample: Value;
  /** [1] or [N], in 0..1000. */
  readonly timestep: Value;
  readonly conditioning: Readonly<Record<string, Value>>;
  /** Null for the plain model. */
  readonly softTokens: SoftTokenInput | null;
}

/** The parts of a UNet, in which text is read. */
export const unetStages = ["down", "mid", "up"] as const;
export type UnetStage = (typeof unetStages)[number];

/** What a graph has to know of soft tokens before it runs. */
export interface SoftTokenSpec {
  /** Of the effective tokens: [layers, count, width]. */
  readonly shape: Shape;
  /** The stages of a UNet that see them; null where there is no UNet. */
  readonly stages: readonly UnetStage[] | null;
}

/** Effective soft tokens inside a graph. */
export interface SoftTokenInput {
  /** [N, layers, count, width]. */
  readonly values: Value;
  readonly stages: SoftTokenSpec["stages"];
}

/** Sizes that soft tokens must have for a pipeline. */
export interface SoftTokenLayout {
  /** Name of the model family. */
  readonly family: string;
  /** In front of the text stream of each of the first layers, or after the first text token. */
  readonly placement: "prefix" | "after-first";
  /** The most layers that soft tokens can have. */
  readonly layers: number;
  /** Width of the text states that the pipeline's own projection takes. */
  readonly rawWidth: number;
  /** Width of the text stream that the tokens are put into. */
  readonly projectedWidth: number;
  /** The stages of a UNet that see soft tokens which do not say it themselves; null where there is no UNet. */
  readonly stages: SoftTokenSpec["stages"];
}

/** A prompt that was longer than a text encoder reads. */
export interface TruncatedPrompt {
  readonly prompt: string;
  /** Which encoder, e.g. CLIP, and how many tokens it reads. */
  readonly encoder: string;
  readonly limit: number;
  /** The end of the prompt, which that encoder does not see. */
  readonly cut: string;
}

/** The part of a pipeline that soft tokens are trained through. */
export interface Denoiser {
  readonly engine: Engine;
  readonly softTokenLayout: SoftTokenLayout;
  /** What samples by default; it also has the noise that the denoiser was trained on. */
  readonly scheduler: Scheduler;
  /** Shapes of one text's conditioning, without the first axis. */
  readonly conditioningShapes: Readonly<Record<string, Shape>>;
  /** Tokens that one pair puts through the denoiser at a latent size [channels, h, w], for choosing how many go together. */
  tokensPerPair(latentShape: Shape): number;
  /** Adds the denoiser to `graph`; returns its prediction [N, channels, h, w]. */
  denoise(graph: Graph, inputs: DenoiserInputs): Value;
  /** Adds the projection of raw soft tokens [..., rawWidth] to the width of the text stream. */
  projectSoftTokens(graph: Graph, tokens: Value): Value;
}

/** What prompts come to. */
export interface EncodedPrompts {
  readonly conditioning: Conditioning;
  /** The prompts that an encoder did not read to their end. */
  readonly truncated: readonly TruncatedPrompt[];
}

/** What a family does where the user does not say: the settings of the SoftREPA paper (arXiv 2503.08250). */
export interface FamilyDefaults {
  readonly steps: number;
  readonly guidanceScale: number;
  /** Weight of the own caption's denoising error in training. */
  readonly dweight: number;
  /** Layers of soft tokens. */
  readonly layers: number;
  /** Stages of a UNet that see soft tokens; null where there is no UNet. */
  readonly stages: SoftTokenSpec["stages"];
  /** What soft tokens begin as: N(0, 0.02), or each the first embedding of the empty prompt. */
  readonly initialTokens: "noise" | "empty-prompt";
}

/** What a pipeline tells of its family. */
export interface FamilyIdentity {
  /** As `softrepa.family` of soft tokens says it, e.g. sd15. */
  readonly name: string;
  /** Its models' `modelspec.architecture`, without a suffix. */
  readonly architecture: string;
  readonly defaults: FamilyDefaults;
}

/** A graph as it is handed to the engine. */
export interface BuiltGraph {
  readonly graph: Graph;
  readonly outputs: readonly Value[];
}

/** A network of a pipeline beside its denoiser, at the size that it is run at. */
export type PipelinePart =
  | { readonly kind: "text-encoders"; readonly prompts: number }
  /** Pixels a side. */
  | { readonly kind: "encoder" | "decoder"; readonly size: number };

/** A whole pipeline: texts and images in, images out. */
export interface DiffusionPipeline extends Denoiser, AsyncDisposable {
  /** Name of the model family. */
  readonly family: string;
  /** `FamilyIdentity.architecture` */
  readonly architecture: string;
  /** The folder it was opened from. */
  readonly origin: string;
  readonly defaults: FamilyDefaults;
  /** Pixels a side that the model was made for. */
  readonly defaultSize: number;
  /** Image pixels per latent pixel, along each side; image sizes are multiples of `sizeMultiple`. */
  readonly vaeScaleFactor: number;
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  /** Whether guidance away from the empty prompt is away from zeros instead of what the encoders make of it. */
  readonly forceZerosForEmptyPrompt: boolean;
  /** Which model this is: a hash of the denoiser's numbers, whatever file or precision they are kept in. */
  fingerprint(): Promise<string>;
  /**
   * What latents depend on beside the image: a hash of the encoder's numbers and configuration, and what computes it. Not the
   * number of threads, nor the processor: they change no more than last bits.
   */
  latentsFingerprint(): Promise<string>;
  /** A scheduler other than the default one; "own" is what the pipeline's file names. Unknown names are a UsageError. */
  schedulerNamed(name: string): Scheduler;
  /** Embeds prompts in order. */
  encodePrompts(prompts: readonly string[], options?: Stoppable): Promise<EncodedPrompts>;
  /** Images [N, 3, H, W] in -1..1 to scaled latents (the mean of the posterior). */
  encodeImages(images: FloatTensor, options?: Stoppable): Promise<FloatTensor>;
  /** Scaled latents to images in -1..1 (not clamped). */
  decodeLatents(latents: FloatTensor, options?: Stoppable): Promise<FloatTensor>;
  /** What a part would be compiled from, to foretell what it takes; it is not run. */
  partGraph(part: PipelinePart): BuiltGraph;
  /** Frees the sessions that encode prompts and images; they come back when they are needed. */
  releaseEncoders(): Promise<void>;
  /** Frees the pipeline's sessions for good; the engine and sessions compiled from its graphs are the caller's to close. */
  close(): Promise<void>;
}
