/** @file Options of `softrepa score`. */

import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { z } from "zod";
import { InputError, messageOf, UsageError } from "../../core/errors.js";
import { flag, integer, list, path, pixels, seed, text } from "../../core/option-values.js";
import { type CaptionedImage, type ImageSource, imageFile } from "../../data/captioned-image.js";
import { openDataSet } from "../../data/data-set.js";
import { listImages } from "../../data/folder-files.js";
import { requireImageFile } from "../../data/image-format.js";
import { readListFile } from "../../data/text-file.js";
import { evenTimesteps, ownCaptions } from "../../evaluation/pairing.js";
import {
  checkTokenUse,
  forceField,
  machineFields,
  maxSequenceLengthField,
  modelField,
  modelFileFields,
  tokenUseFields,
} from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, group, option, repeated, type ValuesOf } from "../options.js";

/** Images, captions, and the captions that belong to each image. */
export interface ScoredPairs {
  /** Checked to be images, but not decoded yet. */
  readonly images: readonly ImageSource[];
  readonly captions: readonly string[];
  /** Indices of the matched captions of each image; empty if they are not known. */
  readonly own: readonly (readonly number[])[];
}

/** A count of evenly spaced timesteps, or a list of them. */
const timesteps = z
  .union(
    [integer(1, 999).transform(evenTimesteps), z.array(z.int().min(1).max(999)).min(1)],
    "must be a count, or a list such as 250,500,750 (1 to 999)",
  )
  .default(evenTimesteps(8))
  .describe("a count, or a list such as 250,500,750 (default: 8)");

function fields() {
  return {
    model: modelField(),
    ...group("What to score", {
      data: option("--data <path>", path.optional().describe("images with captions")),
      images: repeated(
        "--images <path...>",
        list(path, "must be a path").default([]).describe("image files or folders of images"),
      ),
      captions: repeated(
        "--captions <text...>",
        list(text, "must be a text").default([]).describe("captions, in the order of their images"),
      ),
      captionsFile: option(
        "--captions-file <file>",
        path.optional().describe("one caption per line; # starts a comment"),
      ),
    }),
    ...group("Soft tokens", { ...tokenUseFields(), force: forceField("allow tokens trained on another base model") }),
    ...group("Measurement", {
      timesteps: option("--timesteps <n>", timesteps),
      /** All pairs share them; errors are averaged over them. */
      noises: option("--noises <n>", integer(1, 10000).default(1).describe("noise samples per timestep")),
      seed: option("--seed <n>", seed.default(0).describe("seed of the noise")),
      information: option("--information", flag.describe("mutual information of images and captions, in nats")),
      resolution: option("--resolution <n>", pixels.optional().describe("image size (default: the model's)")),
      maxSequenceLength: maxSequenceLengthField(),
      chunk: option("--chunk <n>", integer(1).optional().describe("pairs per run of the model (default: by memory)")),
    }),
    ...modelFileFields(),
    ...machineFields(),
  };
}

type Values = ValuesOf<ReturnType<typeof fields>>;
type Sources = Pick<Values, "images" | "captions" | "captionsFile" | "data">;

export interface ScoreCommandOptions extends Omit<Values, keyof Sources> {
  readonly pairs: ScoredPairs;
}

export function scoreCommand(run: CommandRun<ScoreCommandOptions>): Command {
  return defineCommand(
    {
      name: "score",
      description: "measure how well captions match images",
      fields: fields(),
      examples: [
        'softrepa score --model sd3-medium --images a.png b.png --captions "a cat" "a dog"',
        "softrepa score --model sd3-medium --tokens tokens.safetensors --data photos",
      ],
      resolve: async (raw, given) => {
        const { images, captions, captionsFile, data, ...measure } = raw;
        checkTokenUse(raw, given);
        const pairs = await readPairs({ images, captions, captionsFile, data });
        if (measure.information && pairs.own.some((matched) => matched.length === 0)) {
          throw new UsageError(
            "`information` needs a caption for every image: give as many `captions` as images, or `data`",
          );
        }
        return { ...measure, pairs };
      },
    },
    run,
  );
}

async function readPairs({ images, captions, captionsFile, data }: Sources): Promise<ScoredPairs> {
  if (data !== undefined) {
    if (images.length > 0 || captions.length > 0 || captionsFile !== undefined) {
      throw new UsageError("`data` has its own captions; it excludes `images` and `captions`");
    }
    return pairsOf(await openDataSet(data).then(({ items }) => items));
  }
  if (images.length === 0) throw new UsageError("images are missing: give `images` or `data`");
  if (captions.length > 0 && captionsFile !== undefined) {
    throw new UsageError("`captions` and `captionsFile` exclude each other");
  }
  if (captions.length === 0 && captionsFile === undefined) {
    throw new UsageError("captions are missing: give `captions` or `captionsFile`, or `data` for a folder with both");
  }
  const allCaptions = captionsFile === undefined ? captions : await readListFile(captionsFile, "caption");
  const files = (await Promise.all(images.map(expandImages))).flat();
  const own = ownCaptions(files.length, allCaptions) ?? files.map(() => []);
  return { images: files.map(imageFile), captions: allCaptions, own };
}

/** Lists equal captions once, in the order of the images; an image may have several captions. */
function pairsOf(items: readonly CaptionedImage[]): ScoredPairs {
  const captions = [...new Set(items.flatMap((item) => item.captions))];
  const indices = new Map(captions.map((caption, index) => [caption, index]));
  const own = items.map((item) => item.captions.map((caption) => indices.get(caption) ?? -1));
  return { images: items, captions, own };
}

async function expandImages(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new InputError(`cannot read image ${path}: ${messageOf(error)}`, { cause: error });
  });
  const files = found.isDirectory() ? await listImages(path) : [path];
  for (const file of files) await requireImageFile(file);
  return files;
}
