/** @file Metrics by the angle between an image's and a text's embedding. */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { at } from "../../core/lists.js";
import { readRgbImage } from "../../data/rgb-image.js";
import { type Clip, openClip } from "./clip.js";
import { type FeatureCache, hashText } from "./feature-cache.js";
import type { EvaluatedImage, MetricSources, PromptMetric } from "./metric.js";
import type { RunHooks } from "./run-graph.js";

/** From a cosine to the score; `clip` knows the model's own factor. */
export type CosineFormula = (clip: Clip) => Promise<(cosine: number) => number>;

export class ClipMetric implements PromptMetric {
  readonly kind = "prompt";

  constructor(
    readonly name: string,
    readonly weights: string,
    private readonly clip: Clip,
    private readonly cache: FeatureCache,
    private readonly formula: CosineFormula,
  ) {}

  async scores(images: readonly EvaluatedImage[], hooks: RunHooks): Promise<number[]> {
    const texts = await this.cache.all(
      images,
      ({ prompt }) => `text:${hashText(prompt)}`,
      (missing) =>
        this.clip.embedTexts(
          missing.map(({ prompt }) => prompt),
          hooks.signal ? { signal: hooks.signal } : {},
        ),
    );
    const embeds = await this.cache.all(
      images,
      ({ hash }) => `image:${hash}`,
      (missing) =>
        this.clip.embedPixels(missing, async ({ file }) => this.clip.pixelsOf(await readRgbImage(file)), hooks),
    );
    const score = await this.formula(this.clip);
    return embeds.map((image, index) => score(cosine(image, at(texts, index))));
  }

  save(): Promise<void> {
    return this.cache.save();
  }

  release(): Promise<void> {
    return this.clip.release();
  }
}

/** A metric by a CLIP model in a folder as transformers saves it. */
export async function openClipMetric(
  name: string,
  { folder, tokenizer }: { readonly folder: string; readonly tokenizer?: string },
  { engine, cacheOf }: Pick<MetricSources<never>, "engine" | "cacheOf">,
  formula: CosineFormula,
): Promise<ClipMetric> {
  const clip = await openClip(folder, engine, tokenizer);
  const weights = (await readdir(folder)).filter((file) => /\.(?:safetensors|bin)$/.test(file)).sort();
  const cache = await cacheOf(...[...weights, "config.json"].map((file) => join(folder, file)));
  return new ClipMetric(name, basename(folder), clip, cache, formula);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, ofA, ofB] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0;
    dot += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  return dot / Math.sqrt(ofA * ofB);
}
