/** @file Scores of edited images: how well each matches its target prompt, and how much of its source it keeps. */

import { join, relative } from "node:path";
import { InputError } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import { concatRows, type FloatTensor } from "../../core/tensor.js";
import { imageFile } from "../../data/captioned-image.js";
import { loadImage } from "../../data/load-image.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { hashFile } from "../metrics/feature-cache.js";
import type { EvaluatedImage } from "../metrics/metric.js";
import type { OpenedMetrics } from "../metrics/open-metrics.js";
import { information, measureInformation } from "../mutual-information.js";
import type { EvaluationScores, ScoredImage, ScoredMetric } from "./scores.js";

/** One edit that all variants have finished. */
export interface FinishedEdit {
  /** Unique among the edits, for the report. */
  readonly title: string;
  readonly target: string;
  readonly seed: number;
  /** The source image in the size of the edited images, [3, H, W] in -1..1, and its file. */
  readonly source: { readonly file: string; readonly pixels: FloatTensor };
  /** 1 where the image may change, row by row; null for everywhere. */
  readonly mask: Uint8Array | null;
  /** File and pixels by variant. */
  readonly edited: ReadonlyMap<string, { readonly file: string; readonly pixels: FloatTensor }>;
}

/** Noise levels of the match, and noise samples for each. */
export const matchNoises = { nodes: 12, noises: 2 } as const;

/** Quantisation to bytes limits the PSNR of equal images; above this, images are called equal. */
const highestPsnr = 60;

const plain = { kind: "number", of: "image", weights: "" } as const;
export const matchMetric: ScoredMetric = { ...plain, name: "match with the target prompt (nats)", better: "higher" };
const psnrMetric: ScoredMetric = { ...plain, name: "PSNR to the source (dB)", better: "higher" };
const outsideMetric: ScoredMetric = { ...plain, name: "PSNR outside the mask (dB)", better: "higher" };

/** Peak signal-to-noise ratio in dB of two images in -1..1, of the pixels where `counts`; at most 60. */
export function psnr(a: FloatTensor, b: FloatTensor, counts: (pixel: number) => boolean = () => true): number {
  const area = a.data.length / 3;
  let [sum, values] = [0, 0];
  for (const [i, value] of a.data.entries()) {
    if (!counts(i % area)) continue;
    sum += (value - at(b.data, i)) ** 2;
    values++;
  }
  return sum === 0 ? highestPsnr : Math.min(highestPsnr, 10 * Math.log10((4 * values) / sum));
}

export interface EditScoreOptions {
  readonly folder: string;
  readonly variants: readonly string[];
  readonly seed?: number;
  readonly pairsPerRun: number;
  readonly signal: AbortSignal;
  readonly onProgress: (label: string, done: number, total: number) => void;
}

/** Fills `scores` with the pointwise mutual information of images and target prompts under the plain model. */
export async function scoreEdits(
  pipeline: DiffusionPipeline,
  edits: readonly FinishedEdit[],
  { folder, variants, pairsPerRun, signal, onProgress }: EditScoreOptions,
): Promise<EvaluationScores> {
  const side = pipeline.defaultSize;
  const scored: { name: string; images: ScoredImage[] }[] = [];
  for (const name of variants) {
    const files = edits.map((edit) => editedBy(edit, name));
    const images: FloatTensor[] = [];
    for (const { file } of files) {
      const image = await loadImage(imageFile(file), { width: side, height: side, crop: "center" });
      images.push({ ...image, shape: [1, ...image.shape] });
    }
    // The same noises for each variant, so that differences are paired.
    const [measured] = await measureInformation(pipeline, {
      images: concatRows(images),
      captions: edits.map(({ target }) => target),
      settings: [{ softTokens: null, strength: 1 }],
      ...matchNoises,
      seed: 0,
      pairsPerRun,
      signal,
      onProgress: (done, total) => onProgress(`match of ${name}`, done, total),
    });
    const nats = measured === undefined ? [] : information(measured).pairs;
    scored.push({
      name,
      images: edits.map((edit, index) => {
        const { file, pixels } = at(files, index);
        const { mask, source } = edit;
        const kept =
          mask === null
            ? { [psnrMetric.name]: psnr(source.pixels, pixels) }
            : mask.includes(0)
              ? { [outsideMetric.name]: psnr(source.pixels, pixels, (pixel) => mask[pixel] === 0) }
              : {};
        return {
          file: relative(folder, file),
          prompt: edit.title,
          seed: edit.seed,
          category: "edits",
          scores: { [matchMetric.name]: at(nats, index), ...kept },
          reason: "",
        };
      }),
    });
  }
  const metrics = [matchMetric, psnrMetric, outsideMetric].filter(({ name }) =>
    scored.some(({ images }) => images.some(({ scores }) => name in scores)),
  );
  return { format: "softrepa-scores", formatVersion: 1, metrics, variants: scored, sets: [], notRun: [] };
}

/** Adds the scores of metrics with weights: of images and target prompts, and distances to the sources. */
export async function addMetrics(
  scores: EvaluationScores,
  edits: readonly FinishedEdit[],
  { opened, notRun }: OpenedMetrics,
  { signal, onProgress }: Pick<EditScoreOptions, "signal" | "onProgress">,
): Promise<EvaluationScores> {
  const result = structuredClone(scores);
  result.notRun.push(...notRun);
  const evaluated = async (file: string, prompt: string): Promise<EvaluatedImage> => ({
    file,
    hash: await hashFile(file),
    prompt,
  });
  for (const metric of opened) {
    if (metric.kind !== "prompt" && metric.kind !== "pair") continue;
    const better = metric.kind === "prompt" ? "higher" : "lower";
    const hooks = { signal, onProgress: (done: number, total: number) => onProgress(metric.name, done, total) };
    const name = metric.kind === "prompt" ? metric.name : `${metric.name} to the source`;
    try {
      for (const variant of result.variants) {
        const images = await Promise.all(
          edits.map((edit) => evaluated(editedBy(edit, variant.name).file, edit.target)),
        );
        const sources = await Promise.all(edits.map(({ source }) => evaluated(source.file, "")));
        const values =
          metric.kind === "prompt"
            ? await metric.scores(images, hooks)
            : await metric.distances(
                sources.map((source, index) => [source, at(images, index)] as const),
                hooks,
              );
        for (const [index, image] of variant.images.entries()) image.scores[name] = at(values, index);
      }
      result.metrics.push({ ...plain, name, weights: metric.weights, better });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      result.notRun.push({ name, reason: error.message });
    } finally {
      await metric.save();
      await metric.release();
    }
  }
  return result;
}

function editedBy(
  { edited, title }: FinishedEdit,
  variant: string,
): { readonly file: string; readonly pixels: FloatTensor } {
  const found = edited.get(variant);
  if (found === undefined) throw new RangeError(`${title} has no image of ${variant}`);
  return found;
}

/** `FOLDER/VARIANT/NAME.png`. */
export function editFile(folder: string, variant: string, name: string): string {
  return join(folder, variant, `${name}.png`);
}
