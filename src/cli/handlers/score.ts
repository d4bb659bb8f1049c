/** @file `softrepa score`: what it does. */

import { basename } from "node:path";
import { concatRows } from "../../core/tensor.js";
import { loadImage } from "../../data/load-image.js";
import { rank1, score } from "../../evaluation/score.js";
import { defaultChunk } from "../../objectives/chunk.js";
import { requireSize } from "../../pipelines/sizes.js";
import type { ScoreCommandOptions } from "../commands/score.js";
import type { CommandContext } from "../context.js";
import { formatMatrix } from "../format/matrix.js";
import { openTokens, truncationWarner, withPipeline } from "./session.js";

export async function runScore(options: ScoreCommandOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { images: sources, captions, own } = options.pairs;
  await withPipeline(options, reporter, async (pipeline) => {
    const softTokens = await openTokens(options.tokens, pipeline, options.force, reporter);
    const side = options.resolution ?? pipeline.defaultSize;
    requireSize(pipeline, "--resolution", side);
    const images = await Promise.all(
      sources.map(async (source) => {
        const image = await loadImage(source, { width: side, height: side, crop: "center" });
        return { ...image, shape: [1, ...image.shape] };
      }),
    );
    const latentSide = side / pipeline.latentScale;
    const tokensAPair = pipeline.tokensAPair([pipeline.latentChannels, latentSide, latentSide]);
    const { errors } = await score(pipeline, {
      images: concatRows(images),
      captions,
      softTokens,
      strength: options.strength,
      timesteps: options.timesteps,
      noises: options.noises,
      seed: options.seed,
      chunk: options.chunk ?? defaultChunk(captions.length, tokensAPair),
      signal,
      onProgress: (done, total) => reporter.progress("images", done, total),
      onTruncated: truncationWarner(reporter),
    });
    const known = own.every((captionsOfImage) => captionsOfImage.length > 0);
    const share = known ? rank1(errors, own) : null;
    const settings = { timesteps: options.timesteps, noises: options.noises, seed: options.seed };
    reporter.event("scores", { images: sources.map(({ id }) => id), captions, own, errors, rank1: share, ...settings });
    const names = sources.map(({ id }) => basename(id));
    const marks = (caption: number, image: number) => {
      const best = errors[image][caption] === Math.min(...errors[image]);
      return `${best ? "*" : ""}${own[image].includes(caption) ? "=" : ""}`;
    };
    const byCaption = captions.map((_, caption) => errors.map((row) => row[caption]));
    reporter.print(formatMatrix(captions, names, byCaption, marks).join("\n"));
    reporter.print(`* smallest error of the image${known ? "   = its own caption" : ""}`);
    if (share !== null) {
      const right = Math.round(share * sources.length);
      reporter.print(`own caption first: ${right} of ${sources.length} images (${(100 * share).toFixed(1)}%)`);
    }
  });
}
