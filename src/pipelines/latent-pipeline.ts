/** @file A pipeline of latent diffusion: text encoders, a denoiser of latents and an autoencoder, of whatever family. */

import { InputError, type Stoppable } from "../core/errors.js";
import { type FloatTensor, formatShape, type Shape, sameShape } from "../core/tensor.js";
import { GraphError } from "../graph/error.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { input } from "../graph/ops.js";
import type { Engine } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/index.js";
import type { WeightSource } from "../weights/source.js";
import type { Autoencoder } from "./autoencoder.js";
import { weightsFingerprint } from "./fingerprint.js";
import { conditioningInputs } from "./inputs.js";
import type {
  BuiltGraph,
  Denoiser,
  DenoiserInputs,
  DiffusionPipeline,
  Family,
  FamilyDefaults,
  PipelinePart,
  SoftTokenLayout,
} from "./pipeline.js";
import { SessionCache } from "./session-cache.js";
import { encodePrompts, type TextEncoders } from "./text-encoders.js";

/** A denoiser with what a pipeline has to know of its network. */
export interface LatentDenoiser extends Denoiser {
  /** The component's folder, as messages call it. */
  readonly component: string;
  readonly latentChannels: number;
  /** Latent sides are multiples of this. */
  readonly latentMultiple: number;
  /** Latents a side that the network was made for. */
  readonly sampleSize: number;
}

export interface PipelineParts {
  /** The folder it was opened from. */
  readonly origin: string;
  readonly defaults: FamilyDefaults;
  readonly denoiser: LatentDenoiser;
  /** The denoiser's. */
  readonly weights: WeightSource;
  readonly texts: TextEncoders;
  readonly zeroEmptyNegative: boolean;
  readonly autoencoder: Autoencoder;
  /** As `DiffusionPipeline.schedulerNamed`. */
  readonly scheduler: (name: string) => Scheduler;
}

export class LatentPipeline implements DiffusionPipeline {
  readonly family: Family;
  readonly origin: string;
  readonly defaults: FamilyDefaults;
  readonly engine: Engine;
  readonly scheduler: Scheduler;
  readonly softTokenLayout: SoftTokenLayout;
  readonly conditioningShapes: Denoiser["conditioningShapes"];
  readonly defaultSize: number;
  readonly latentScale: number;
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  readonly zeroEmptyNegative: boolean;
  private readonly sessions = new SessionCache();
  private hash: Promise<string> | undefined;

  /** Refuses parts that do not belong together. */
  constructor(private readonly parts: PipelineParts) {
    const { denoiser, autoencoder, origin } = parts;
    this.family = denoiser.softTokenLayout.family;
    this.origin = origin;
    this.defaults = parts.defaults;
    this.engine = denoiser.engine;
    this.scheduler = denoiser.scheduler;
    this.softTokenLayout = denoiser.softTokenLayout;
    this.conditioningShapes = denoiser.conditioningShapes;
    this.latentScale = autoencoder.scale;
    this.sizeMultiple = autoencoder.scale * denoiser.latentMultiple;
    this.defaultSize = autoencoder.scale * denoiser.sampleSize;
    this.latentChannels = denoiser.latentChannels;
    this.zeroEmptyNegative = parts.zeroEmptyNegative;
    this.checkParts();
  }

  fingerprint(): Promise<string> {
    this.hash ??= weightsFingerprint(this.parts.weights);
    return this.hash;
  }

  async latentsFingerprint(): Promise<string> {
    const { library, provider, precision } = this.engine;
    return [await this.parts.autoencoder.fingerprint(), library, provider, precision].join(" ");
  }

  schedulerNamed(name: string): Scheduler {
    return this.parts.scheduler(name);
  }

  tokensAPair(latentShape: Shape): number {
    return this.parts.denoiser.tokensAPair(latentShape);
  }

  denoise(graph: Graph, inputs: DenoiserInputs): Value {
    return this.parts.denoiser.denoise(graph, inputs);
  }

  projectSoftTokens(graph: Graph, tokens: Value): Value {
    return this.parts.denoiser.projectSoftTokens(graph, tokens);
  }

  encodePrompts(prompts: readonly string[], options?: Stoppable) {
    return encodePrompts(this.parts.texts, prompts, this.engine, this.sessions, options);
  }

  encodeImages(images: FloatTensor, options?: Stoppable): Promise<FloatTensor> {
    return this.parts.autoencoder.encode(images, this.engine, this.sessions, options);
  }

  decodeLatents(latents: FloatTensor, options?: Stoppable): Promise<FloatTensor> {
    return this.parts.autoencoder.decode(latents, this.engine, this.sessions, options);
  }

  partGraph(part: PipelinePart): BuiltGraph {
    const graph = new Graph();
    switch (part.kind) {
      case "texts":
        return { graph, outputs: Object.values(this.parts.texts.build(graph, part.prompts)) };
      case "encoder":
      case "decoder":
        return { graph, outputs: [this.parts.autoencoder.build(part.kind, graph, part.size)] };
    }
  }

  releaseEncoders(): Promise<void> {
    return this.sessions.release();
  }

  /**
   * Builds every network once at its smallest size, so that a tensor that is missing, misshaped or left over is found now
   * and not when the network is first needed: the decoder's turn comes after all denoising is done.
   */
  private checkParts(): void {
    const { denoiser, texts, autoencoder, origin } = this.parts;
    const { latent_channels } = autoencoder.config;
    if (latent_channels !== denoiser.latentChannels) {
      throw new InputError(
        `${origin}: the autoencoder has ${latent_channels} latent channels, the ${denoiser.component} reads ${denoiser.latentChannels}`,
      );
    }
    try {
      const text = texts.build(new Graph(), 1);
      for (const [name, { shape }] of Object.entries(text)) {
        const wanted = this.conditioningShapes[name] ?? [];
        if (sameShape(shape.slice(1), wanted)) continue;
        const [given, read] = [formatShape(shape.slice(1)), formatShape(wanted)];
        throw new InputError(
          `${origin}: the text encoders give ${name} of ${given}, the ${denoiser.component} reads ${read}`,
        );
      }
      autoencoder.checkWeights();
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
          `${origin}: the ${denoiser.component} reads ${latentChannels} channels and gives ${shape[1]}`,
        );
      }
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      // Every network has the weights that its configuration asks for; it is the configurations that contradict.
      throw new InputError(`${origin}: its parts do not fit together: ${error.message}`, { cause: error });
    }
  }
}
