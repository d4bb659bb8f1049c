/** @file LPIPS as a metric of two pictures of one size, without resizing (arXiv 1801.03924; the package lpips 0.1.4). */

import { InputError } from "../../core/errors.js";
import type { FloatTensor } from "../../core/tensor.js";
import { readPicture } from "../../data/picture.js";
import type { RgbPicture } from "../../data/resample.js";
import { lpips, lpipsIgnoredKeys, smallestLpipsSide, vgg16IgnoredKeys } from "../../models/lpips.js";
import { Weights } from "../../models/weights.js";
import type { Engine } from "../../runtime/engine.js";
import type { WeightSource } from "../../weights/source.js";
import type { FeatureCache } from "./feature-cache.js";
import type { Judged, PairMetric } from "./metric.js";
import { normalized } from "./preprocess.js";
import { BatchedGraph, type RunHooks } from "./run-graph.js";

type Pair = readonly [Judged, Judged];

export class LpipsMetric implements PairMetric {
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
      pairs.map(([a, b]) => `${a.hash}:${b.hash}`),
      async (missing) => {
        const rows: Float32Array[] = [];
        // One pair a run: pictures may differ in size from pair to pair, and VGG's first levels are large.
        for (const index of missing) {
          const [a, b] = await Promise.all(
            pairs[index].map(async ({ file }) => ({ file, picture: await readPicture(file) })),
          );
          const graph = this.graphFor(a.picture, a.file, b.picture, b.file);
          const feeds = { a: single(pixelsOf(a.picture)), b: single(pixelsOf(b.picture)) };
          rows.push(
            ...(await (await graph).run([feeds], async (item) => item, hooks.signal ? { signal: hooks.signal } : {})),
          );
          hooks.onProgress?.(rows.length, missing.length);
        }
        return rows;
      },
    );
    return distances.map(([distance]) => distance);
  }

  private graphFor(a: RgbPicture, fileA: string, b: RgbPicture, fileB: string): Promise<BatchedGraph> {
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
    const picture = { shape: [1, 3, height, width], dtype: "float32" } as const;
    const graph = BatchedGraph.open(this.engine, { a: picture, b: picture }, 1, (to, of) => {
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
function pixelsOf(picture: RgbPicture): FloatTensor {
  return normalized(picture, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
}

function single(tensor: FloatTensor): FloatTensor {
  return { ...tensor, shape: [1, ...tensor.shape] };
}
