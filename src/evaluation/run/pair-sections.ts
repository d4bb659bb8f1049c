/** @file Base and tuned model on the same images and captions, by their denoising errors: two sections of a report. */

import { concatRows, type FloatTensor } from "../../core/tensor.js";
import type { CaptionedImage } from "../../data/captioned-image.js";
import { loadImage } from "../../data/load-image.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import {
  type Information,
  information,
  informationGain,
  type MeanOfPairs,
  type MutualInformationRequest,
  measureInformation,
} from "../mutual-information.js";
import type { ReportedInformation, Similarity } from "../report/schema.js";
import { type ScoreRequest, score } from "../score.js";

/** Images and captions that belong together, row by row. */
export interface CaptionedPairs {
  /** [N, 3, H, W] in -1..1. */
  readonly images: FloatTensor;
  readonly captions: readonly string[];
}

/** The images at the model's own size, each with its first caption. */
export async function loadPairs(
  items: readonly CaptionedImage[],
  pipeline: DiffusionPipeline,
): Promise<CaptionedPairs> {
  const side = pipeline.defaultSize;
  const images: FloatTensor[] = [];
  for (const item of items) {
    const image = await loadImage(item, { width: side, height: side, crop: "center" });
    images.push({ ...image, shape: [1, ...image.shape] });
  }
  return { images: concatRows(images), captions: items.map(({ captions }) => captions[0] ?? "") };
}

/** Errors of every image under every caption, without soft tokens and with them, on the same noises. */
export async function similarityOfPairs(
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens,
  pairs: CaptionedPairs,
  request: Omit<ScoreRequest, "images" | "captions" | "softTokens" | "strength">,
): Promise<Similarity> {
  const { captions } = pairs;
  const matrices: Similarity["matrices"] = [];
  for (const [name, tokens] of [["base", null] as const, ["tuned", softTokens] as const]) {
    const { errors } = await score(pipeline, { ...request, ...pairs, softTokens: tokens, strength: 1 });
    matrices.push({ name, values: errors.map((row) => [...row]) });
  }
  return {
    measure: "mean denoising error of held-out pairs",
    better: "lower",
    captions: [...captions],
    images: captions.map((_, index) => `image ${index + 1}`),
    own: captions.map((caption) => captions.flatMap((other, index) => (other === caption ? [index] : []))),
    matrices,
  };
}

/** Mutual information of the pairs without soft tokens and with them, and their paired difference. */
export async function informationOfPairs(
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens,
  pairs: CaptionedPairs,
  request: Omit<MutualInformationRequest, "images" | "captions" | "settings">,
): Promise<ReportedInformation> {
  const plain = { softTokens: null, strength: 1 };
  const [base, tuned] = await measureInformation(pipeline, {
    ...request,
    ...pairs,
    settings: [plain, { softTokens, strength: 1 }],
  });
  if (base === undefined || tuned === undefined) throw new RangeError("two settings give two measurements");
  const [before, after, gain] = [information(base), information(tuned), informationGain(base, tuned)];
  const estimate = (name: string, { mean, standardError }: MeanOfPairs) => ({ name, value: mean, standardError });
  const integrand = (name: string, { curve }: Information) => ({
    name,
    logSnr: curve.map(({ logSnr }) => logSnr),
    values: curve.map(({ mean }) => mean),
  });
  const plusMinus = ({ mean, standardError }: MeanOfPairs) =>
    `${mean.toFixed(2)} \u00b1 ${(standardError ?? 0).toFixed(2)}`;
  return {
    unit: "nats",
    estimates: [
      estimate("base", before),
      estimate("tuned", after),
      estimate("paired difference", gain),
      estimate("of it, log p(image | caption)", gain.withCaption),
      estimate("less it, log p(image)", gain.withoutCaption),
    ],
    integrands: [integrand("base", before), integrand("tuned", after)],
    remark: `${plusMinus(before)} nats before, ${plusMinus(after)} after, paired difference ${plusMinus(gain)} (mean and standard error over ${before.pairs.length} held-out pairs)`,
  };
}
