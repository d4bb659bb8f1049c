/** @file PickScore: exp(logit_scale) cos (arXiv 2305.01569, equation 1 before the softmax). */

import { openClipMetric } from "./clip-metric.js";
import { clipTokenizerFile, modelFolder } from "./find-weights.js";
import { defineMetric } from "./metric.js";

export const pickScore = defineMetric({
  name: "PickScore",
  files: {
    folder: {
      find: modelFolder((folder) => /pickscore/i.test(folder)),
      what: "a folder with PickScore in its name: a download of yuvalkirstain/PickScore_v1",
    },
    tokenizer: clipTokenizerFile,
  },
  open: (sources) =>
    openClipMetric("PickScore", sources.files, sources, async (clip) => {
      const logitScale = await clip.logitScale();
      return (cosine) => logitScale * cosine;
    }),
});
