/** @file The pipeline interface: what training, sampling and scoring need of a model. */

import type { Abortable } from "../core/errors.js";
import type { FloatTensor, Shape } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/scheduler.js";
import type { EncodeOptions } from "./image-codec.js";

/** The denoiser's conditioning by input name; the first axis of each tensor is the prompts. */
export type Conditioning = Readonly<Record<string, FloatTensor>>;

/** The denoiser's inputs inside a graph. */
export interface DenoiserInputs {
  /** Noisy latents [S, channels, h, w]; S is the number of prompts N, or 1 if all prompts share one image. */
  readonly sample: Value;
  /** [1] or [N], in 0..1000. */
  readonly timestep: Value;
  readonly conditioning: Readonly<Record<string, Value>>;
  /** Null for the base model. */
  readonly softTokens: SoftTokenInput | null;
}

/** The stages of a UNet; each may have cross-attention to the text. */
export const unetStages = ["down", "mid", "up"] as const;
export type UnetStage = (typeof unetStages)[number];

/** What a graph is compiled for: the shape and placement of soft tokens, not their values. */
export interface SoftTokenSpec {
  /** Shape of the effective tokens: [layers, count, width]. */
  readonly shape: Shape;
  /** The UNet stages whose cross-attention reads them; null without a UNet. */
  readonly stages: readonly UnetStage[] | null;
}

/** Effective soft tokens inside a graph. */
export interface SoftTokenInput {
  /** [N, layers, count, width]. */
  readonly values: Value;
  readonly stages: SoftTokenSpec["stages"];
}

/** The soft tokens that a pipeline accepts. */
export interface SoftTokenLayout {
  /** Name of the model family. */
  readonly family: string;
  /** "prefix": before the text tokens of each of the first layers; "after-first": after the first text token. */
  readonly placement: "prefix" | "after-first";
  /** The most layers that soft tokens can have. */
  readonly layers: number;
  /** Width of the text states before the model's own projection. */
  readonly rawWidth: number;
  /** Width of the text stream; equal to `rawWidth` if the model has no projection. */
  readonly projectedWidth: number;
  /** The UNet stages that read soft tokens whose metadata names none; null without a UNet. */
  readonly stages: SoftTokenSpec["stages"];
}

/** A prompt that a text encoder truncated. */
export interface TruncatedPrompt {
  readonly prompt: string;
  /** Name of the encoder, e.g. CLIP. */
  readonly encoder: string;
  /** Tokens that the encoder reads. */ readonly limit: number;
  /** The end of the prompt that was removed. */
  readonly cut: string;
}

/** The part of a pipeline that soft tokens are trained through. */
export interface Denoiser {
  readonly engine: Engine;
  readonly softTokenLayout: SoftTokenLayout;
  /** The default scheduler; it also defines the noise that the denoiser was trained with. */
  readonly scheduler: Scheduler;
  /** Shapes of one prompt's conditioning, without the first axis. */
  readonly conditioningShapes: Readonly<Record<string, Shape>>;
  /** Tokens that the denoiser processes per (image, caption) pair at a latent shape [channels, h, w], to choose a batch size. */
  tokensPerPair(latentShape: Shape): number;
  /** Adds the denoiser to `graph`; returns its prediction [N, channels, h, w]. */
  denoise(graph: Graph, inputs: DenoiserInputs): Value;
  /** Adds the projection of raw soft tokens [..., rawWidth] to the width of the text stream. */
  projectSoftTokens(graph: Graph, tokens: Value): Value;
}

/** Result of `encodePrompts`. */
export interface EncodedPrompts {
  readonly conditioning: Conditioning;
  /** The prompts that an encoder truncated, once per encoder. */
  readonly truncated: readonly TruncatedPrompt[];
}

/** A family's default settings: those of the SoftREPA paper (arXiv 2503.08250). */
export interface FamilyDefaults {
  readonly steps: number;
  readonly guidanceScale: number;
  /** Weight of the matched caption's denoising error in the training loss. */
  readonly dweight: number;
  /** Layers of soft tokens. */
  readonly layers: number;
  /** UNet stages that read soft tokens; null without a UNet. */
  readonly stages: SoftTokenSpec["stages"];
  /** Initial soft tokens: N(0, 0.02), or the first embedding of the empty prompt for each. */
  readonly initialTokens: "noise" | "empty-prompt";
}

/** Identifies a pipeline's family. */
export interface FamilyIdentity {
  /** Value of `softrepa.family` in soft tokens, e.g. sd15. */
  readonly name: string;
  /** Its `modelspec.architecture`, without a suffix. */
  readonly architecture: string;
  readonly defaults: FamilyDefaults;
}

/** A graph and its outputs. */
export interface BuiltGraph {
  readonly graph: Graph;
  readonly outputs: readonly Value[];
}

/** A network of a pipeline other than its denoiser, with the size it runs at. */
export type PipelinePart =
  | { readonly kind: "text-encoders"; readonly prompts: number }
  /** `size` is the image side in pixels. */
  | { readonly kind: "encoder" | "decoder"; readonly size: number };

/** A whole pipeline: encodes prompts and images, denoises, and decodes images. */
export interface DiffusionPipeline extends Denoiser, AsyncDisposable {
  /** Name of the model family. */
  readonly family: string;
  /** Its family's `architecture`. */
  readonly architecture: string;
  /** The folder or file it was opened from. */
  readonly origin: string;
  readonly defaults: FamilyDefaults;
  /** Image side in pixels that the model was trained on. */
  readonly defaultSize: number;
  /** Image pixels per latent pixel, along each side; image sizes are multiples of `sizeMultiple`. */
  readonly vaeScaleFactor: number;
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  /** Whether an empty negative prompt becomes zeros instead of its encoding (diffusers' force_zeros_for_empty_prompt). */
  readonly forceZerosForEmptyPrompt: boolean;
  /** A hash of the denoiser's weights, independent of file layout and stored precision. */
  fingerprint(): Promise<string>;
  /**
   * Identifies everything but the image that latents depend on: a hash of the encoder's weights and configuration, and the
   * engine. Excludes threads and processor, which change only the last bits.
   */
  latentsFingerprint(): Promise<string>;
  /** A scheduler by name; "own" is the one in the pipeline's scheduler_config.json. Unknown names are a UsageError. */
  schedulerNamed(name: string): Scheduler;
  /** Encodes prompts to conditioning, in order. */
  encodePrompts(prompts: readonly string[], options?: Abortable): Promise<EncodedPrompts>;
  /** Encodes images [N, 3, H, W] in -1..1 to scaled latents: the mean of the posterior, or with `noise` a sample of it. */
  encodeImages(images: FloatTensor, options?: EncodeOptions): Promise<FloatTensor>;
  /** Decodes scaled latents to images in -1..1 (not clamped). */
  decodeLatents(latents: FloatTensor, options?: Abortable): Promise<FloatTensor>;
  /** Builds the graph of a part without compiling it, to estimate its memory. */
  partGraph(part: PipelinePart): BuiltGraph;
  /** Frees the sessions that encode prompts and images; they are compiled again when needed. */
  releaseEncoders(): Promise<void>;
  /** Closes the pipeline's sessions. The caller closes the engine, and sessions it compiled from the pipeline's graphs. */
  close(): Promise<void>;
}
