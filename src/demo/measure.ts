/** @file What base and tuned pipeline are compared by on held-out pairs, besides pictures: errors of every pair, and information. */

import { concatRows, type FloatTensor } from "../core/tensor.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import { loadImage } from "../data/load-image.js";
import {
  type Information,
  type InformationGain,
  information,
  informationGain,
  measureInformation,
} from "../evaluation/mutual-information.js";
import { score } from "../evaluation/score.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import type { SoftTokens } from "../softtokens/softtokens.js";

/** Images and captions that belong together, row by row. */
export interface HeldOutPairs {
  /** [N, 3, H, W]. */
  readonly images: FloatTensor;
  readonly captions: readonly string[];
}

export async function loadPairs(items: readonly CaptionedImage[], pipeline: DiffusionPipeline): Promise<HeldOutPairs> {
  const side = pipeline.defaultSize;
  const images: FloatTensor[] = [];
  for (const item of items) {
    const image = await loadImage(item, { width: side, height: side, crop: "center" });
    images.push({ ...image, shape: [1, ...image.shape] });
  }
  return { images: concatRows(images), captions: items.map(({ captions }) => captions[0]) };
}

/** errors[image][caption] of the plain pipeline, then with soft tokens, on the same noises. */
export async function similarities(
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens,
  { images, captions }: HeldOutPairs,
  signal: AbortSignal,
): Promise<readonly (readonly number[])[][]> {
  const matrices = [];
  for (const tokens of [null, softTokens]) {
    const { errors } = await score(pipeline, {
      images,
      captions,
      softTokens: tokens,
      strength: 1,
      timesteps: [300, 500, 700, 850],
      noises: 2,
      seed: 0,
      pairsPerRun: captions.length,
      signal,
    });
    matrices.push(errors);
  }
  return matrices as (readonly number[])[][];
}

export interface InformationChange {
  readonly before: Information;
  readonly after: Information;
  readonly gain: InformationGain;
}

export async function informationChange(
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens,
  { images, captions }: HeldOutPairs,
  signal: AbortSignal,
): Promise<InformationChange> {
  const [plain, tuned] = await measureInformation(pipeline, {
    images,
    captions,
    noises: 1,
    seed: 0,
    pairsPerRun: 12,
    settings: [
      { softTokens: null, strength: 1 },
      { softTokens, strength: 1 },
    ],
    signal,
  });
  return { before: information(plain), after: information(tuned), gain: informationGain(plain, tuned) };
}
