/** @file A whole CLIP model as transformers saves it: images and texts to embeddings in one space (arXiv 2103.00020). */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import { type FloatTensor, intTensor } from "../../core/tensor.js";
import type { Kernel, RgbImage } from "../../data/resample.js";
import {
  type ClipTextConfig,
  clipTextConfigSchema,
  clipTextEncoder,
  clipTextIgnoredKeys,
  eosPosition,
} from "../../models/clip-text.js";
import {
  type ClipVisionConfig,
  clipVisionConfigSchema,
  clipVisionEncoder,
  clipVisionIgnoredKeys,
} from "../../models/clip-vision.js";
import { openClipTokenizer, type TextTokenizer } from "../../models/tokenizer/index.js";
import { Weights } from "../../models/weights.js";
import type { Engine } from "../../runtime/engine.js";
import { openModelWeights } from "../../weights/open-weights.js";
import { readTensor } from "../../weights/safetensors.js";
import type { WeightSource } from "../../weights/source.js";
import { readJsonFile } from "../json-file.js";
import { clipDeviation, clipMean, containSquare, coverSquare, normalized, type PerChannel } from "./preprocess.js";
import { BatchedGraph, type RunHooks } from "./run-graph.js";

/** What the towers are built of; from config.json, or from shapes. */
export interface ClipConfig {
  readonly text: ClipTextConfig;
  readonly vision: ClipVisionConfig;
  /** Width of the shared space. */
  readonly projection: number;
}

/** How images are brought to the vision tower's size. */
export interface ClipPreprocessing {
  readonly fit: "cover, halves down" | "contain";
  readonly side: number;
  readonly kernel: Kernel;
  readonly mean: PerChannel;
  readonly deviation: PerChannel;
}

export interface ClipParts {
  readonly config: ClipConfig;
  readonly weights: WeightSource;
  readonly tokenizer: TextTokenizer;
  readonly preprocessing: ClipPreprocessing;
}

const configSchema = z.looseObject({
  text_config: z.looseObject({}),
  vision_config: clipVisionConfigSchema,
  projection_dim: z.int().positive().default(512),
});

const triple = z.tuple([z.number(), z.number(), z.number()]);
const side = z.int().positive();

/** preprocessor_config.json of a CLIPImageProcessor; kernels are numbered as in Pillow. */
const preprocessorSchema = z.looseObject({
  do_resize: z.literal(true).default(true),
  do_center_crop: z.literal(true).default(true),
  do_normalize: z.literal(true).default(true),
  size: z.union([side, z.looseObject({ shortest_edge: side })]).default(224),
  crop_size: z.union([side, z.looseObject({ height: side, width: side })]).default(224),
  resample: z.union([z.literal(2), z.literal(3)]).default(3),
  image_mean: triple.default([...clipMean]),
  image_std: triple.default([...clipDeviation]),
});

/** What belongs to no tower: the temperature, and a mask that some versions of open_clip store. */
const neitherTower: readonly RegExp[] = [/^logit_scale$/, /^attn_mask$/];

/** Images or texts of one run. */
const batchSize = 8;

export class Clip {
  private vision: Promise<BatchedGraph> | null = null;
  private text: Promise<BatchedGraph> | null = null;

  constructor(
    private readonly parts: ClipParts,
    private readonly engine: Engine,
  ) {}

  get tokenizer(): TextTokenizer {
    return this.parts.tokenizer;
  }

  get deviation(): PerChannel {
    return this.parts.preprocessing.deviation;
  }

  /** exp(logit_scale): what the model multiplies cosines by. */
  async logitScale(): Promise<number> {
    const stored = this.parts.weights.tensors.get("logit_scale");
    if (stored === undefined) throw new InputError(`${this.parts.weights.origin}: the tensor logit_scale is missing`);
    return Math.exp(at((await readTensor(stored)).data, 0));
  }

  /** [1, 3, S, S], as the vision tower takes it. */
  pixelsOf(image: RgbImage): FloatTensor {
    const { fit, side: size, kernel, mean, deviation } = this.parts.preprocessing;
    const square = fit === "contain" ? containSquare(image, size, kernel) : coverSquare(image, size, kernel, "down");
    const pixels = normalized(square, mean, deviation);
    return { ...pixels, shape: [1, ...pixels.shape] };
  }

  /** Embeddings, not of length 1, of images; `pixels` makes each one, [1, 3, S, S], when its turn comes. */
  async embedPixels<T>(
    images: readonly T[],
    pixels: (image: T) => FloatTensor | Promise<FloatTensor>,
    hooks: RunHooks = {},
  ): Promise<Float32Array[]> {
    const size = this.parts.config.vision.image_size;
    this.vision ??= BatchedGraph.open(
      this.engine,
      { pixels: { shape: [1, 3, size, size], dtype: "float32" } },
      Math.min(batchSize, images.length),
      (graph, of) => {
        const w = Weights.of(graph, this.parts.weights);
        const { vision, projection } = this.parts.config;
        const embeds = clipVisionEncoder(w, vision, projection, of("pixels"));
        w.requireAllUsed(...clipVisionIgnoredKeys, /^text_/, ...neitherTower);
        return embeds;
      },
    );
    return (await this.vision).run(images, async (image) => ({ pixels: await pixels(image) }), hooks);
  }

  /** Embeddings, not of length 1, of texts; those beyond the tower's positions are cut. */
  async embedTexts(texts: readonly string[], hooks: RunHooks = {}): Promise<Float32Array[]> {
    const { tokenizer, config, weights } = this.parts;
    const length = tokenizer.maxLength;
    this.text ??= BatchedGraph.open(
      this.engine,
      { ids: { shape: [1, length], dtype: "int64" }, ends: { shape: [1], dtype: "int64" } },
      Math.min(batchSize, texts.length),
      (graph, of) => {
        const w = Weights.of(graph, weights);
        const { textEmbeds } = clipTextEncoder(w, config.text, { inputIds: of("ids"), eosPositions: of("ends") });
        if (textEmbeds === null)
          throw new InputError(`${weights.origin} has no projection of texts: no whole CLIP model`);
        w.requireAllUsed(...clipTextIgnoredKeys, /^vision_model\./, /^visual_projection\./, ...neitherTower);
        return textEmbeds;
      },
    );
    const feedsOf = async (text: string) => {
      const { ids } = tokenizer.encode(text);
      return { ids: intTensor([1, length], ids), ends: intTensor([1], [eosPosition(ids, config.text)]) };
    };
    return (await this.text).run(texts, feedsOf, hooks);
  }

  async release(): Promise<void> {
    await (await this.vision)?.release();
    await (await this.text)?.release();
  }
}

/**
 * Opens a folder that transformers saved a CLIP model to. Without a preprocessor_config.json images are prepared as for OpenAI's models; without
 * a vocabulary the one in `tokenizerFolder` is taken: PickScore's authors name another model's folder for both.
 */
export async function openClip(folder: string, engine: Engine, tokenizerFolder?: string): Promise<Clip> {
  const configFile = join(folder, "config.json");
  const { vision_config: vision, projection_dim: projection } = await readJsonFile(configFile, configSchema);
  const text = await readJsonFile(configFile, clipTextConfigSchema);
  return new Clip(
    {
      config: { text, vision, projection },
      weights: await openModelWeights(folder),
      tokenizer: await openTokenizer(folder, tokenizerFolder),
      preprocessing: await readPreprocessing(folder, vision.image_size),
    },
    engine,
  );
}

function openTokenizer(folder: string, other: string | undefined): Promise<TextTokenizer> {
  if (existsSync(join(folder, "tokenizer_config.json")) && existsSync(join(folder, "vocab.json"))) {
    return openClipTokenizer(folder);
  }
  // Where there is only the vocabulary, the end token pads, as in transformers; padding is not looked at in any case.
  return openClipTokenizer(existsSync(join(folder, "vocab.json")) ? folder : (other ?? folder), "<|endoftext|>");
}

async function readPreprocessing(folder: string, modelSide: number): Promise<ClipPreprocessing> {
  const file = join(folder, "preprocessor_config.json");
  const own = existsSync(file);
  const settings = own
    ? await readJsonFile(file, preprocessorSchema)
    : preprocessorSchema.parse({ size: modelSide, crop_size: modelSide });
  const { size, crop_size: crop } = settings;
  const shorter = typeof size === "number" ? size : size.shortest_edge;
  const cropped = typeof crop === "number" ? crop : crop.height;
  if (shorter !== modelSide || cropped !== shorter) {
    throw new InputError(
      `${folder}: images are resized to ${shorter} and cropped to ${cropped}, but the model reads ${modelSide}`,
    );
  }
  return {
    fit: "cover, halves down",
    side: shorter,
    kernel: settings.resample === 2 ? "bilinear" : "bicubic",
    mean: settings.image_mean,
    deviation: settings.image_std,
  };
}
