/** @file LPIPS as a metric of two images of one size, without resizing (arXiv 1801.03924; the package lpips 0.1.4). */

import { basename } from "node:path";
import { InputError } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import type { FloatTensor } from "../../core/tensor.js";
import type { RgbImage } from "../../data/resample.js";
import { readRgbImage } from "../../data/rgb-image.js";
import { translateKeys } from "../../models/dialect.js";
import {
  lpips,
  lpipsDialect,
  lpipsIgnoredKeys,
  smallestLpipsSide,
  vgg16Dialect,
  vgg16IgnoredKeys,
} from "../../models/lpips.js";
import { Weights } from "../../models/weights.js";
import type { Engine } from "../../runtime/engine.js";
import { openWeightFile } from "../../weights/open-weights.js";
import type { WeightSource } from "../../weights/source.js";
import type { FeatureCache } from "./feature-cache.js";
import { namedWeightFile } from "./find-weights.js";
import { defineMetric, type EvaluatedImage, type PairMetric } from "./metric.js";
import { normalized } from "./preprocess.js";
import { BatchedGraph, type RunHooks } from "./run-graph.js";

type Pair = readonly [EvaluatedImage, EvaluatedImage];

export const lpipsMetric = defineMetric({
  name: "LPIPS",
  files: {
    trunk: { find: namedWeightFile("^vgg16.*"), what: "vgg16-397923af.pth, torchvision's weights of VGG16" },
    linear: {
      find: namedWeightFile("^(?:vgg|.*lpips.*)"),
      what: "vgg.pth, from lpips/weights/v0.1 of the package lpips",
    },
  },
  async open({ files, engine, cacheOf }) {
    const trunk = translateKeys(await openWeightFile(files.trunk), vgg16Dialect);
    const linear = translateKeys(await openWeightFile(files.linear), lpipsDialect);
    const title = `${basename(files.trunk)}, ${basename(files.linear)}`;
    return new LpipsMetric(title, trunk, linear, engine, await cacheOf(files.trunk, files.linear));
  },
});

class LpipsMetric implements PairMetric {
  readonly kind = "pair";
  readonly name = "LPIPS";
  /** By "height x width". */
  private readonly graphs = new Map<string, Promise<BatchedGraph>>();

  constructor(
    readonly weights: string,
    private readonly trunk: WeightSource,
    private readonly linear: WeightSource,
    private readonly engine: Engine,
    private readonly cache: FeatureCache,
  ) {}

  async distances(pairs: readonly Pair[], hooks: RunHooks): Promise<number[]> {
    const distances = await this.cache.all(
      pairs,
      ([a, b]) => `${a.hash}:${b.hash}`,
      async (missing) => {
        const rows: Float32Array[] = [];
        // One pair a run: images may differ in size from pair to pair, and VGG's first levels are large.
        for (const [first, second] of missing) {
          const [a, b] = await Promise.all([readRgbImage(first.file), readRgbImage(second.file)]);
          const graph = this.graphFor(a, first.file, b, second.file);
          const feeds = { a: single(pixelsOf(a)), b: single(pixelsOf(b)) };
          rows.push(
            ...(await (await graph).run([feeds], async (item) => item, hooks.signal ? { signal: hooks.signal } : {})),
          );
          hooks.onProgress?.(rows.length, missing.length);
        }
        return rows;
      },
    );
    return distances.map((distance) => at(distance, 0));
  }

  private graphFor(a: RgbImage, fileA: string, b: RgbImage, fileB: string): Promise<BatchedGraph> {
    const { width, height } = a;
    if (b.width !== width || b.height !== height) {
      throw new InputError(
        `${fileA} and ${fileB} differ in size (${width} x ${height}, ${b.width} x ${b.height}); LPIPS compares equal ones`,
      );
    }
    if (Math.min(width, height) < smallestLpipsSide) {
      throw new InputError(`${fileA} is smaller than the ${smallestLpipsSide} pixels a side that LPIPS needs`);
    }
    const key = `${height} x ${width}`;
    const known = this.graphs.get(key);
    if (known !== undefined) return known;
    const image = { shape: [1, 3, height, width], dtype: "float32" } as const;
    const graph = BatchedGraph.open(this.engine, { a: image, b: image }, 1, (to, of) => {
      const [trunk, linear] = [Weights.of(to, this.trunk), Weights.of(to, this.linear)];
      const distance = lpips(trunk, linear, of("a"), of("b"));
      trunk.requireAllUsed(...vgg16IgnoredKeys);
      linear.requireAllUsed(...lpipsIgnoredKeys);
      return distance;
    });
    this.graphs.set(key, graph);
    return graph;
  }

  save(): Promise<void> {
    return this.cache.save();
  }

  async release(): Promise<void> {
    for (const graph of this.graphs.values()) await (await graph).release();
  }
}

/** [3, H, W] in -1..1. */
function pixelsOf(image: RgbImage): FloatTensor {
  return normalized(image, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
}

function single(tensor: FloatTensor): FloatTensor {
  return { ...tensor, shape: [1, ...tensor.shape] };
}
