/** @file FID's features by pytorch-fid's Inception: images as they are, resized by plain bilinear interpolation (no antialiasing). */

import { basename } from "node:path";
import type { FloatTensor } from "../../core/tensor.js";
import { interpolateBilinear, type RgbImage } from "../../data/resample.js";
import { readRgbImage } from "../../data/rgb-image.js";
import { fidInception, inceptionIgnoredKeys, inceptionSide } from "../../models/fid-inception.js";
import { Weights } from "../../models/weights.js";
import type { Engine } from "../../runtime/engine.js";
import { openWeightFile } from "../../weights/open-weights.js";
import type { WeightSource } from "../../weights/source.js";
import type { FeatureCache } from "./feature-cache.js";
import { namedWeightFile } from "./find-weights.js";
import { defineMetric, type EvaluatedImage, type SetMetric } from "./metric.js";
import { normalized } from "./preprocess.js";
import { BatchedGraph, type RunHooks } from "./run-graph.js";

/** Below this many images the covariance of 2048 features has no full rank, and FID mostly measures that (bioinf-jku/TTUR#4). */
export const fidSmallSet = 2048;

const batchSize = 8;

export const fid = defineMetric({
  name: "FID",
  files: {
    model: {
      find: namedWeightFile("inception.*"),
      what: "pt_inception-2015-12-05-6726825d.pth, which pytorch-fid downloads from its releases",
    },
  },
  open: async ({ files: { model }, engine, cacheOf }) =>
    new FidFeatures(basename(model), await openWeightFile(model), engine, await cacheOf(model)),
});

class FidFeatures implements SetMetric {
  readonly kind = "set";
  readonly name = "FID";
  private graph: Promise<BatchedGraph> | null = null;

  constructor(
    readonly weights: string,
    private readonly source: WeightSource,
    private readonly engine: Engine,
    private readonly cache: FeatureCache,
  ) {}

  features(images: readonly EvaluatedImage[], hooks: RunHooks): Promise<Float32Array[]> {
    return this.cache.all(
      images,
      ({ hash }) => hash,
      async (missing) => {
        this.graph ??= this.open(Math.min(batchSize, missing.length));
        const feedsOf = async ({ file }: EvaluatedImage) => {
          const pixels = inceptionPixels(await readRgbImage(file));
          return { pixels: { ...pixels, shape: [1, ...pixels.shape] } };
        };
        return (await this.graph).run(missing, feedsOf, hooks);
      },
    );
  }

  private open(batch: number): Promise<BatchedGraph> {
    const item = { pixels: { shape: [1, 3, inceptionSide, inceptionSide], dtype: "float32" } } as const;
    return BatchedGraph.open(this.engine, item, batch, (graph, of) => {
      const w = Weights.of(graph, this.source);
      const features = fidInception(w, of("pixels"));
      w.requireAllUsed(...inceptionIgnoredKeys);
      return features;
    });
  }

  save(): Promise<void> {
    return this.cache.save();
  }

  async release(): Promise<void> {
    await (await this.graph)?.release();
  }
}

/** [3, 299, 299] in -1..1. */
export function inceptionPixels(image: RgbImage): FloatTensor {
  const resized = interpolateBilinear(normalized(image), inceptionSide, inceptionSide);
  return { ...resized, data: resized.data.map((value) => 2 * value - 1) };
}
