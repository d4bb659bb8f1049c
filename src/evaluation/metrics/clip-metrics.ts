/** @file Metrics by the angle between a picture's and a text's embedding: CLIPScore, PickScore and HPSv2.1. */

import { readPicture } from "../../data/picture.js";
import type { Clip } from "./clip.js";
import { type FeatureCache, hashText } from "./feature-cache.js";
import type { Judged, PromptMetric } from "./metric.js";
import type { RunHooks } from "./run-graph.js";

export const clipMetricNames = ["CLIPScore", "PickScore", "HPSv2.1"] as const;
export type ClipMetricName = (typeof clipMetricNames)[number];

/**
 * From a cosine and exp(logit_scale) to the score:
 * CLIPScore, 100 max(cos, 0), as torchmetrics gives it (arXiv 2104.08718 has the factor 2.5);
 * PickScore, exp(logit_scale) cos (arXiv 2305.01569, equation 1 before the softmax);
 * HPSv2.1, 100 cos: the authors' code gives the cosine, their tables a hundred times that (arXiv 2306.09341).
 */
const formulas: Readonly<Record<ClipMetricName, (cosine: number, logitScale: number) => number>> = {
  CLIPScore: (cosine) => 100 * Math.max(cosine, 0),
  PickScore: (cosine, logitScale) => logitScale * cosine,
  "HPSv2.1": (cosine) => 100 * cosine,
};

export class ClipMetric implements PromptMetric {
  readonly kind = "prompt";

  constructor(
    readonly name: ClipMetricName,
    readonly weights: string,
    private readonly clip: Clip,
    private readonly cache: FeatureCache,
  ) {}

  async scores(pictures: readonly Judged[], hooks: RunHooks): Promise<number[]> {
    const prompts = pictures.map(({ prompt }) => prompt);
    const texts = await this.cache.all(
      prompts.map((prompt) => `text:${hashText(prompt)}`),
      (missing) =>
        this.clip.embedTexts(
          missing.map((index) => prompts[index]),
          hooks.signal ? { signal: hooks.signal } : {},
        ),
    );
    const images = await this.cache.all(
      pictures.map(({ hash }) => `image:${hash}`),
      (missing) =>
        this.clip.embedPixels(
          missing.length,
          async (index) => {
            const pixels = this.clip.pixelsOf(await readPicture(pictures[missing[index]].file));
            return { ...pixels, shape: [1, ...pixels.shape] };
          },
          hooks,
        ),
    );
    const logitScale = this.name === "PickScore" ? await this.clip.logitScale() : 1;
    return pictures.map((_, index) => formulas[this.name](cosine(images[index], texts[index]), logitScale));
  }

  save(): Promise<void> {
    return this.cache.save();
  }

  release(): Promise<void> {
    return this.clip.release();
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    ofA += a[i] * a[i];
    ofB += b[i] * b[i];
  }
  return dot / Math.sqrt(ofA * ofB);
}
