/** @file HPSv2.1: 100 cos; the authors' code gives the cosine, their tables a hundred times that (arXiv 2306.09341). */

import { basename } from "node:path";
import { openClipModel } from "../../models/open-clip.js";
import { openClipTokenizer } from "../../models/tokenizer/index.js";
import { openWeightFile } from "../../weights/open-weights.js";
import { Clip } from "./clip.js";
import { ClipMetric } from "./clip-metric.js";
import { clipTokenizerFile, namedWeightFile } from "./find-weights.js";
import { defineMetric } from "./metric.js";
import { clipDeviation, clipMean } from "./preprocess.js";

export const hps = defineMetric({
  name: "HPSv2.1",
  files: {
    model: {
      find: namedWeightFile(String.raw`^HPS_?v2\.1.*`),
      what: "HPS_v2.1_compressed.pt, a download from xswu/HPSv2",
    },
    tokenizer: clipTokenizerFile,
  },
  async open({ files, engine, cacheOf }) {
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
    const clip = new Clip(parts, engine);
    const cache = await cacheOf(files.model);
    return new ClipMetric("HPSv2.1", basename(files.model), clip, cache, async () => (cosine) => 100 * cosine);
  },
});
