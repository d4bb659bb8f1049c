/** @file ImageReward as a metric of images with prompts (arXiv 2304.05977; the package image-reward 1.5). */

import { basename, dirname } from "node:path";
import { at } from "../../core/lists.js";
import { type FloatTensor, intTensor } from "../../core/tensor.js";
import type { RgbImage } from "../../data/resample.js";
import { readRgbImage } from "../../data/rgb-image.js";
import {
  type ImageRewardConfig,
  imageReward,
  imageRewardConfig,
  imageRewardIgnoredKeys,
  imageRewardTokens,
} from "../../models/image-reward.js";
import { openBertTokenizer, type TextTokenizer } from "../../models/tokenizer/index.js";
import { Weights } from "../../models/weights.js";
import type { Engine } from "../../runtime/engine.js";
import { openWeightFile } from "../../weights/open-weights.js";
import type { WeightSource } from "../../weights/source.js";
import { type FeatureCache, hashText } from "./feature-cache.js";
import { namedWeightFile } from "./find-weights.js";
import { defineMetric, type EvaluatedImage, type PromptMetric } from "./metric.js";
import { clipDeviation, clipMean, coverSquare, normalized } from "./preprocess.js";
import { BatchedGraph, type RunHooks } from "./run-graph.js";

/** Images of one run: the network takes about 2 GB by itself. */
const batchSize = 4;

export const imageRewardMetric = defineMetric({
  name: "ImageReward",
  files: {
    model: {
      find: namedWeightFile("^ImageReward.*"),
      what: "ImageReward.pt, a download from THUDM/ImageReward (zai-org)",
    },
    tokenizer: {
      find: (paths) => {
        const inFolder = (name: string) =>
          paths.find((path) => basename(path) === name && /bert/i.test(basename(dirname(path))));
        const file = paths.find((path) => basename(path) === "vocab.txt") ?? inFolder("tokenizer.json");
        return file && dirname(file);
      },
      what: "BERT's vocab.txt, a download from bert-base-uncased",
    },
  },
  async open({ files: { model, tokenizer }, engine, cacheOf }) {
    const source = await openWeightFile(model);
    const texts = await openBertTokenizer(tokenizer, imageRewardTokens);
    return new ImageRewardMetric(basename(model), source, texts, engine, await cacheOf(model));
  },
});

class ImageRewardMetric implements PromptMetric {
  readonly kind = "prompt";
  readonly name = "ImageReward";
  private graph: Promise<BatchedGraph> | null = null;
  private readonly config: ImageRewardConfig;

  constructor(
    readonly weights: string,
    private readonly source: WeightSource,
    private readonly tokenizer: TextTokenizer,
    private readonly engine: Engine,
    private readonly cache: FeatureCache,
  ) {
    this.config = imageRewardConfig(source);
  }

  async scores(images: readonly EvaluatedImage[], hooks: RunHooks): Promise<number[]> {
    const keyOf = ({ hash, prompt }: EvaluatedImage) => `${hash}:${hashText(prompt)}`;
    const rewards = await this.cache.all(images, keyOf, async (missing) => {
      const { side } = this.config.vision;
      this.graph ??= this.open(Math.min(batchSize, missing.length));
      const feedsOf = async ({ file, prompt }: EvaluatedImage) => {
        const pixels = rewardPixels(await readRgbImage(file), side);
        const { ids, length } = this.tokenizer.encode(prompt);
        const mask = ids.map((_, place) => (place < length ? 1 : 0));
        return {
          pixels: { ...pixels, shape: [1, ...pixels.shape] },
          inputIds: intTensor([1, ids.length], ids),
          attentionMask: intTensor([1, ids.length], mask),
        };
      };
      return (await this.graph).run(missing, feedsOf, hooks);
    });
    return rewards.map((reward) => at(reward, 0));
  }

  private open(batch: number): Promise<BatchedGraph> {
    const { side } = this.config.vision;
    const tokens = [1, imageRewardTokens];
    const item = {
      pixels: { shape: [1, 3, side, side], dtype: "float32" },
      inputIds: { shape: tokens, dtype: "int64" },
      attentionMask: { shape: tokens, dtype: "int64" },
    } as const;
    return BatchedGraph.open(this.engine, item, batch, (graph, of) => {
      const w = Weights.of(graph, this.source);
      const inputs = { pixels: of("pixels"), inputIds: of("inputIds"), attentionMask: of("attentionMask") };
      const { reward } = imageReward(w, this.config, inputs);
      w.requireAllUsed(...imageRewardIgnoredKeys);
      return reward;
    });
  }

  save(): Promise<void> {
    return this.cache.save();
  }

  async release(): Promise<void> {
    await (await this.graph)?.release();
  }
}

/** As the package's _transform: the shorter side by Pillow's bicubic kernel, the middle, CLIP's moments. */
export function rewardPixels(image: RgbImage, side: number): FloatTensor {
  return normalized(coverSquare(image, side, "bicubic", "even"), clipMean, clipDeviation);
}
