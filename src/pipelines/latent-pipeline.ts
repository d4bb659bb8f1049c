/** @file The latent diffusion pipeline of every family: text encoders, a denoiser of latents and an image codec. */

import { type Abortable, InputError } from "../core/errors.js";
import { type FloatTensor, formatShape, type Shape, sameShape } from "../core/tensor.js";
import { GraphError } from "../graph/error.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { input } from "../graph/ops.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/index.js";
import type { WeightSource } from "../weights/source.js";
import { weightsFingerprint } from "./fingerprint.js";
import { buildCodec, checkCodec, type EncodeOptions, type ImageCodec, runCodec } from "./image-codec.js";
import { conditioningInputs } from "./inputs.js";
import type {
  BuiltGraph,
  Denoiser,
  DenoiserInputs,
  DiffusionPipeline,
  FamilyDefaults,
  FamilyIdentity,
  PipelinePart,
  SoftTokenLayout,
} from "./pipeline.js";
import { SessionCache } from "./session-cache.js";
import { encodePrompts, type TextEncoders } from "./text-encoders.js";

/** A denoiser with the properties of its network that a pipeline needs. */
export interface LatentDenoiser extends Denoiser {
  /** The component's folder, for messages. */
  readonly component: string;
  readonly latentChannels: number;
  /** Latent sides are multiples of this. */
  readonly latentMultiple: number;
  /** Side of the latents that the network was trained on. */
  readonly sampleSize: number;
}

export interface LatentPipelineParts {
  readonly denoiser: LatentDenoiser;
  /** The denoiser's weights. */
  readonly weights: WeightSource;
  readonly textEncoders: TextEncoders;
  readonly forceZerosForEmptyPrompt: boolean;
  readonly codec: ImageCodec;
  /** As `DiffusionPipeline.schedulerNamed`. */
  readonly scheduler: (name: string) => Scheduler;
}

export class LatentPipeline implements DiffusionPipeline {
  readonly family: string;
  readonly architecture: string;
  readonly defaults: FamilyDefaults;
  readonly engine: Engine;
  readonly scheduler: Scheduler;
  readonly softTokenLayout: SoftTokenLayout;
  readonly conditioningShapes: Denoiser["conditioningShapes"];
  readonly defaultSize: number;
  readonly vaeScaleFactor: number;
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  readonly forceZerosForEmptyPrompt: boolean;
  private readonly sessions = new SessionCache();
  private hash: Promise<string> | undefined;

  /** `origin` is the folder or file that the parts were read from. Throws an InputError if the parts do not fit together. */
  constructor(
    family: FamilyIdentity,
    readonly origin: string,
    private readonly parts: LatentPipelineParts,
  ) {
    const { denoiser, codec } = parts;
    this.family = family.name;
    this.architecture = family.architecture;
    this.defaults = family.defaults;
    this.engine = denoiser.engine;
    this.scheduler = denoiser.scheduler;
    this.softTokenLayout = denoiser.softTokenLayout;
    this.conditioningShapes = denoiser.conditioningShapes;
    this.vaeScaleFactor = codec.scaleFactor;
    this.sizeMultiple = codec.scaleFactor * denoiser.latentMultiple;
    this.defaultSize = codec.scaleFactor * denoiser.sampleSize;
    this.latentChannels = denoiser.latentChannels;
    this.forceZerosForEmptyPrompt = parts.forceZerosForEmptyPrompt;
    this.checkParts();
  }

  fingerprint(): Promise<string> {
    this.hash ??= weightsFingerprint(this.parts.weights);
    return this.hash;
  }

  async latentsFingerprint(): Promise<string> {
    const { library, provider, precision } = this.engine;
    return [await this.parts.codec.fingerprint(), library, provider, precision].join(" ");
  }

  schedulerNamed(name: string): Scheduler {
    return this.parts.scheduler(name);
  }

  tokensPerPair(latentShape: Shape): number {
    return this.parts.denoiser.tokensPerPair(latentShape);
  }

  denoise(graph: Graph, inputs: DenoiserInputs): Value {
    return this.parts.denoiser.denoise(graph, inputs);
  }

  projectSoftTokens(graph: Graph, tokens: Value): Value {
    return this.parts.denoiser.projectSoftTokens(graph, tokens);
  }

  encodePrompts(prompts: readonly string[], options?: Abortable) {
    return encodePrompts(this.parts.textEncoders, prompts, this.engine, this.sessions, options);
  }

  encodeImages(images: FloatTensor, options?: EncodeOptions): Promise<FloatTensor> {
    return runCodec(this.parts.codec, "encode", images, this.engine, this.sessions, options);
  }

  decodeLatents(latents: FloatTensor, options?: Abortable): Promise<FloatTensor> {
    return runCodec(this.parts.codec, "decode", latents, this.engine, this.sessions, options);
  }

  partGraph(part: PipelinePart): BuiltGraph {
    const graph = new Graph();
    switch (part.kind) {
      case "text-encoders":
        return { graph, outputs: Object.values(this.parts.textEncoders.build(graph, part.prompts)) };
      case "encoder":
        return { graph, outputs: [buildCodec(this.parts.codec, "encode", graph, part.size)] };
      case "decoder":
        return { graph, outputs: [buildCodec(this.parts.codec, "decode", graph, part.size)] };
    }
  }

  releaseEncoders(): Promise<void> {
    return this.sessions.release();
  }

  close(): Promise<void> {
    return this.sessions.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Builds every network once at its smallest size, so that a missing, misshapen or unused tensor is an error now and not when
   * the network first runs: the decoder would fail only after all denoising.
   */
  private checkParts(): void {
    const { origin } = this;
    const { denoiser, textEncoders, codec } = this.parts;
    if (codec.latentChannels !== denoiser.latentChannels) {
      throw new InputError(
        `${origin}: the ${codec.name} has ${codec.latentChannels} latent channels, the ${denoiser.component} expects ${denoiser.latentChannels}`,
      );
    }
    try {
      const text = textEncoders.build(new Graph(), 1);
      for (const [name, { shape }] of Object.entries(text)) {
        const wanted = this.conditioningShapes[name] ?? [];
        if (sameShape(shape.slice(1), wanted)) continue;
        const [given, expected] = [formatShape(shape.slice(1)), formatShape(wanted)];
        throw new InputError(
          `${origin}: the text encoders output ${name} of shape ${given}, the ${denoiser.component} expects ${expected}`,
        );
      }
      checkCodec(codec);
      const graph = new Graph();
      const { latentChannels, latentMultiple } = denoiser;
      const { shape } = denoiser.denoise(graph, {
        sample: input(graph, "sample", [1, latentChannels, latentMultiple, latentMultiple]),
        timestep: input(graph, "timestep", [1]),
        conditioning: conditioningInputs(graph, denoiser, 1),
        softTokens: null,
      });
      if (shape[1] !== latentChannels) {
        throw new InputError(
          `${origin}: the ${denoiser.component} has ${latentChannels} input channels but ${shape[1]} output channels`,
        );
      }
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      // Each network's weights match its configuration, so the configurations contradict each other.
      throw new InputError(`${origin}: its components do not fit together: ${error.message}`, { cause: error });
    }
  }
}
