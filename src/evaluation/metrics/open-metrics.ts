/** @file Opening the metrics whose weights are there; the others are named, with what they need. */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { InputError, unreachable } from "../../core/errors.js";
import { translateKeys } from "../../models/dialect.js";
import { imageRewardTokens } from "../../models/image-reward.js";
import { lpipsDialect, vgg16Dialect } from "../../models/lpips.js";
import { openClipModel } from "../../models/open-clip.js";
import { openBertTokenizer, openClipTokenizer } from "../../models/tokenizer/index.js";
import type { Engine } from "../../runtime/engine.js";
import { openWeightFile } from "../../weights/open-weights.js";
import { Clip, openClip } from "./clip.js";
import { ClipMetric } from "./clip-metrics.js";
import { FeatureCache, fingerprint } from "./feature-cache.js";
import { FidFeatures } from "./fid.js";
import { findWeights, type MetricFiles, type MetricName } from "./find-weights.js";
import { ImageRewardMetric } from "./image-reward-metric.js";
import { LpipsMetric } from "./lpips-metric.js";
import type { OpenedMetric } from "./metric.js";
import { clipDeviation, clipMean } from "./preprocess.js";

export interface OpenMetricsOptions {
  /** Where the authors' files lie; nothing can be opened without. */
  readonly weights: string | undefined;
  readonly names: readonly MetricName[];
  /** Where features are kept; null keeps none. */
  readonly cache: string | null;
}

/** A metric that does not run, and why. */
export interface NotRun {
  readonly name: string;
  readonly reason: string;
}

export interface OpenedMetrics {
  readonly opened: readonly OpenedMetric[];
  readonly notRun: readonly NotRun[];
}

/** Weights are looked at here as far as their names and shapes; a file that does not fit is a reason, not an end. */
export async function openMetrics(engine: Engine, options: OpenMetricsOptions): Promise<OpenedMetrics> {
  const opened: OpenedMetric[] = [];
  const notRun: NotRun[] = [];
  for (const [name, found] of await findWeights(options.weights, options.names)) {
    if ("missing" in found) {
      notRun.push({ name, reason: found.missing });
      continue;
    }
    try {
      opened.push(await openMetric(engine, name, found.files, options.cache));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      notRun.push({ name, reason: error.message });
    }
  }
  return { opened, notRun };
}

async function openMetric(
  engine: Engine,
  name: MetricName,
  files: MetricFiles,
  cacheFolder: string | null,
): Promise<OpenedMetric> {
  const cacheOf = async (...weights: readonly string[]) =>
    FeatureCache.open(cacheFolder, `${name.toLowerCase()}-${await fingerprint(...weights)}`);
  switch (name) {
    case "CLIPScore":
    case "PickScore": {
      const clip = await openClip(files.folder, engine, files.tokenizer);
      const weights = (await readdir(files.folder)).filter((file) => /\.(?:safetensors|bin)$/.test(file)).sort();
      const cache = await cacheOf(
        ...weights.map((file) => join(files.folder, file)),
        join(files.folder, "config.json"),
      );
      return new ClipMetric(name, basename(files.folder), clip, cache);
    }
    case "HPSv2.1": {
      const { text, vision, projection, weights } = openClipModel(await openWeightFile(files.model));
      const parts = {
        config: { text, vision, projection },
        weights,
        tokenizer: await openClipTokenizer(files.tokenizer, "<|endoftext|>"),
        preprocessing: {
          fit: "contain",
          side: vision.image_size,
          kernel: "bicubic",
          mean: clipMean,
          deviation: clipDeviation,
        },
      } as const;
      return new ClipMetric(name, basename(files.model), new Clip(parts, engine), await cacheOf(files.model));
    }
    case "ImageReward": {
      const source = await openWeightFile(files.model);
      const tokenizer = await openBertTokenizer(files.tokenizer, imageRewardTokens);
      return new ImageRewardMetric(basename(files.model), source, tokenizer, engine, await cacheOf(files.model));
    }
    case "FID": {
      const source = await openWeightFile(files.model);
      return new FidFeatures(basename(files.model), source, engine, await cacheOf(files.model));
    }
    case "LPIPS": {
      const trunk = translateKeys(await openWeightFile(files.trunk), vgg16Dialect);
      const linear = translateKeys(await openWeightFile(files.linear), lpipsDialect);
      const title = `${basename(files.trunk)}, ${basename(files.linear)}`;
      return new LpipsMetric(title, trunk, linear, engine, await cacheOf(files.trunk, files.linear));
    }
    default:
      return unreachable(name);
  }
}
