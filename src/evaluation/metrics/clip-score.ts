/** @file CLIPScore as torchmetrics gives it, 100 max(cos, 0); arXiv 2104.08718 has the factor 2.5. */

import { basename } from "node:path";
import { openClipMetric } from "./clip-metric.js";
import { modelFolder } from "./find-weights.js";
import { defineMetric } from "./metric.js";

export const clipScore = defineMetric({
  name: "CLIPScore",
  files: {
    folder: {
      find: modelFolder(
        (folder) => /clip/i.test(basename(folder)) || /models--[^/\\]*clip/i.test(folder),
        /clip-vit-large-patch14/i,
      ),
      what: "a folder with clip in its name that transformers saved a CLIP model to: a download of openai/clip-vit-large-patch14 is the paper's",
    },
  },
  open: (sources) =>
    openClipMetric("CLIPScore", sources.files, sources, async () => (cosine) => 100 * Math.max(cosine, 0)),
});
