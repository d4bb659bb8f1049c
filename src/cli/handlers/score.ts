/** @file `softrepa score`: measures denoising errors of images and captions. */

import { basename } from "node:path";
import { concatRows } from "../../core/tensor.js";
import { shorten } from "../../core/text.js";
import { loadImage } from "../../data/load-image.js";
import { information, measureInformation } from "../../evaluation/mutual-information.js";
import { leastMatched, type RankShare, retrieval } from "../../evaluation/retrieval.js";
import { type ScoreRequest, type Scores, score } from "../../evaluation/score.js";
import { defaultPairsPerRun } from "../../objectives/execution-plan.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { requireSize } from "../../pipelines/sizes.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { openTokens } from "../../softtokens/open.js";
import type { ScoreCommandOptions } from "../commands/score.js";
import type { CommandContext } from "../context.js";
import { formatMatrix } from "../format/matrix.js";
import type { Reporter } from "../reporter.js";
import { withPipeline } from "./session.js";

export async function runScore(options: ScoreCommandOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { images: sources, captions } = options.pairs;
  const warn = (message: string) => reporter.warn(message);
  await withPipeline(options, reporter, async (pipeline) => {
    const softTokens = await openTokens(options.tokens, pipeline, { force: options.force, warn });
    const side = options.resolution ?? pipeline.defaultSize;
    requireSize(pipeline, "resolution", side);
    const images = await Promise.all(
      sources.map(async (source) => {
        const image = await loadImage(source, { width: side, height: side, crop: "center" });
        return { ...image, shape: [1, ...image.shape] };
      }),
    );
    const latentSide = side / pipeline.vaeScaleFactor;
    const tokensPerPair = pipeline.tokensPerPair([pipeline.latentChannels, latentSide, latentSide]);
    const request: ScoreRequest = {
      images: concatRows(images),
      captions,
      softTokens,
      strength: options.strength,
      timesteps: options.timesteps,
      noises: options.noises,
      seed: options.seed,
      pairsPerRun: options.chunk ?? defaultPairsPerRun(captions.length, tokensPerPair, pipeline.engine.precision),
      withoutCaption: true,
      signal,
      onProgress: (done, total) => reporter.progress("images", done, total),
      onTruncated: truncationWarner(warn),
    };
    const scores = await score(pipeline, request);
    printScores(options, scores, reporter);
    if (options.information) await printInformation(pipeline, options, request, reporter);
  });
}

/** Pairs in a printed list; the JSON event has all. */
const shownPairs = 10;

function printScores(options: ScoreCommandOptions, scores: Scores, reporter: Reporter): void {
  const { images: sources, captions, own } = options.pairs;
  const { errors, withoutCaption } = scores;
  const known = own.every((captionsOf) => captionsOf.length > 0);
  const { captionOfImage, imageOfCaption } = retrieval(scores, own);
  const share = ({ right, of }: RankShare) => (of === 0 ? null : right / of);
  const rank1 = known ? share(captionOfImage) : null;
  const imageRank1 = known && imageOfCaption ? share(imageOfCaption) : null;
  const matched = known ? leastMatched(scores, own) : [];
  const settings = { timesteps: options.timesteps, noises: options.noises, seed: options.seed };
  const fields = {
    images: sources.map(({ id }) => id),
    captions,
    own,
    errors,
    withoutCaption,
    rank1,
    imageRank1,
    leastMatched: matched,
  };
  reporter.event("scores", { ...fields, ...settings });
  const names = sources.map(({ id }) => basename(id));
  const marks = (caption: number, image: number) => {
    const row = errors[image] ?? [];
    const best = row[caption] === Math.min(...row);
    return `${best ? "*" : ""}${own[image]?.includes(caption) ? "=" : ""}`;
  };
  const byCaption = captions.map((_, caption) => errors.map((row) => row[caption] ?? Number.NaN));
  const short = (caption: number) => shorten(captions[caption] ?? "", 36);
  reporter.print(formatMatrix(captions, names, byCaption, marks).join("\n"));
  reporter.print(`* smallest error of the image${known ? "   = matched caption" : ""}`);
  if (!known) return;
  const mismatched = matched.filter(({ margin }) => margin > 0).slice(0, shownPairs);
  if (mismatched.length > 0) {
    reporter.print("worst matches, possibly wrong captions:");
    reporter.table([
      ["image", "matched caption", "better caption", "difference in error"],
      ...mismatched.map(({ image, caption, rival, margin }) => [
        names[image] ?? "",
        short(caption),
        rival === null ? "" : short(rival),
        margin,
      ]),
    ]);
  }
  const percent = ({ right, of }: RankShare, one: string) =>
    `${right} of ${of} ${one}s (${((100 * right) / of).toFixed(1)}%)`;
  if (imageOfCaption) reporter.print(`matched image first: ${percent(imageOfCaption, "caption")}`);
  reporter.print(`matched caption first: ${percent(captionOfImage, "image")}`);
}

async function printInformation(
  pipeline: DiffusionPipeline,
  { pairs }: ScoreCommandOptions,
  request: ScoreRequest,
  reporter: Reporter,
): Promise<void> {
  const { images, softTokens, strength, noises, seed, pairsPerRun, signal } = request;
  const captions = pairs.own.map(([first = 0]) => pairs.captions[first] ?? "");
  const [measured] = await measureInformation(pipeline, {
    images,
    captions,
    settings: [{ softTokens, strength }],
    noises,
    seed,
    pairsPerRun: Math.min(pairsPerRun, captions.length),
    ...(signal && { signal }),
    onProgress: (done, total) => reporter.progress("information", done, total),
  });
  if (measured === undefined) return;
  const { mean, standardError, pairs: nats, curve } = information(measured);
  reporter.event("information", { unit: "nats", mean, standardError, pairs: nats, curve });
  reporter.print("");
  reporter.table([
    ["timestep", "log-SNR", "nats per unit of log-SNR", "standard error"],
    ...curve.map(({ timestep, logSnr, mean: value, standardError: deviation }) => [
      timestep,
      logSnr,
      value,
      deviation ?? "",
    ]),
  ]);
  const order = [...nats.entries()].sort(([, a], [, b]) => a - b).slice(0, shownPairs);
  reporter.print("");
  reporter.table([
    ["worst matched image", "caption", "nats"],
    ...order.map(([image, value]) => [
      basename(pairs.images[image]?.id ?? ""),
      shorten(captions[image] ?? "", 48),
      value,
    ]),
  ]);
  const margin = standardError === null ? "" : ` (standard error ${standardError.toPrecision(2)})`;
  reporter.print(`mean pointwise mutual information of image and caption: ${mean.toPrecision(4)} nats${margin}`);
}
