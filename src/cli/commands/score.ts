/** @file `softrepa score`: its options. */

import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { z } from "zod";
import { InputError, messageOf, UsageError } from "../../core/errors.js";
import { type CaptionedImage, type ImageSource, imageFile } from "../../data/captioned-image.js";
import { openDataSet } from "../../data/data-set.js";
import { listImages } from "../../data/folder-files.js";
import { requireImageFile } from "../../data/image-format.js";
import { readListFile } from "../../data/text-file.js";
import {
  checkTokenUse,
  type MachineOptions,
  type ModelFileOptions,
  machineFields,
  maxSeed,
  modelFileFields,
  type TokenUseOptions,
  tokenUseFields,
} from "../common.js";
import type { CommandRun } from "../context.js";
import {
  defaulted,
  defineCommand,
  type FieldsOf,
  flag,
  type Kind,
  optional,
  path,
  pixels,
  repeated,
  required,
  text,
  under,
  whole,
} from "../options.js";

/** Images, captions, and which captions are whose. */
export interface ScoredPairs {
  /** Each opened far enough to know that it is an image. */
  readonly images: readonly ImageSource[];
  readonly captions: readonly string[];
  /** Of each image, the indices of its own captions; empty where that is not known. */
  readonly own: readonly (readonly number[])[];
}

interface MeasureOptions extends ModelFileOptions, MachineOptions, TokenUseOptions {
  readonly model: string;
  /** Use tokens that were trained on another base. */
  readonly force: boolean;
  /** Each from 1 to 999. */
  readonly timesteps: readonly number[];
  /** Seeded noises that errors are averaged over, the same for all pairs. */
  readonly noises: number;
  readonly seed: number;
  /** The model's own where undefined. */
  readonly resolution: number | undefined;
  /** Image-caption pairs a run of the denoiser; chosen by memory where undefined. */
  readonly chunk: number | undefined;
  /** Length of T5 text; the family's default where undefined. */
  readonly maxSequenceLength: number | undefined;
}

export interface ScoreCommandOptions extends MeasureOptions {
  /** Measure the pointwise mutual information of each image and its caption too. */
  readonly information: boolean;
  readonly pairs: ScoredPairs;
}

interface Sources {
  readonly images: readonly string[];
  readonly captions: readonly string[];
  readonly captionsFile: string | undefined;
  readonly data: string | undefined;
}

type RawOptions = MeasureOptions & Sources & { readonly information: boolean };

/** A count of evenly spaced timesteps, or a list of them. */
const timesteps: Kind<readonly number[]> = {
  schema: z
    .string()
    .regex(/^\d+(,\d+)*,?$/)
    .transform((value) => (value.includes(",") ? value.split(",").filter(Boolean).map(Number) : evenTimesteps(+value)))
    .pipe(z.array(z.number().min(1).max(999)).min(1)),
  config: z.array(z.int().min(1).max(999)).min(1),
  what: "a count, or a list such as 250,500,750 (1 to 999)",
};

/** The middles of `count` equal parts of 0..1000. */
export function evenTimesteps(count: number): number[] {
  if (count > 999) return [];
  return Array.from({ length: count }, (_, index) => Math.round(((index + 0.5) * 1000) / count));
}

function fields(): FieldsOf<RawOptions> {
  return {
    model: required("--model <path>", "diffusers folder, or a checkpoint file", path),
    ...under("What to score", {
      data: optional("--data <path>", "images with captions", path),
      images: repeated("--images <path...>", "image files or folders of images", path),
      captions: repeated("--captions <text...>", "captions, in the order of their images", text),
      captionsFile: optional("--captions-file <file>", "captions, one a line; # starts a comment", path),
    }),
    ...under("Soft tokens", {
      ...tokenUseFields(),
      force: flag("--force", "use tokens that were trained on another base"),
    }),
    ...under("Measuring", {
      timesteps: defaulted(
        "--timesteps <n>",
        "a count, or a list such as 250,500,750",
        timesteps,
        evenTimesteps(8),
        "8",
      ),
      noises: defaulted("--noises <n>", "noises a timestep", whole(1, 10000), 1),
      seed: defaulted("--seed <n>", "seed of the noises", whole(0, maxSeed), 0),
      information: flag("--information", "nats of each image and its first caption"),
      resolution: optional("--resolution <n>", "image size (default: the model's)", pixels),
      maxSequenceLength: optional("--max-sequence-length <n>", "T5 text tokens (default: 256)", whole(1, 512)),
      chunk: optional("--chunk <n>", "pairs a run (default: by memory)", whole(1)),
    }),
    ...under("Model files", modelFileFields()),
    ...under("Machine", machineFields()),
  };
}

export function scoreCommand(run: CommandRun<ScoreCommandOptions>): Command {
  return defineCommand(
    {
      name: "score",
      description: "measure how well captions explain images",
      fields: fields(),
      examples: [
        'softrepa score --model sd3-medium --images a.png b.png --captions "a cat" "a dog"',
        "softrepa score --model sd3-medium --tokens tokens.safetensors --data photos",
      ],
      resolve: async (raw, given) => {
        const { images, captions, captionsFile, data, ...measure } = raw;
        checkTokenUse(raw, given);
        const pairs = await readPairs({ images, captions, captionsFile, data });
        if (measure.information && pairs.own.some((captionsOfImage) => captionsOfImage.length === 0)) {
          throw new UsageError(
            "--information needs a caption for every image: give as many --captions as images, or --data",
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
      throw new UsageError("--data brings its own captions; it excludes --images and --captions");
    }
    return pairsOf(await openDataSet(data).then(({ items }) => items));
  }
  if (images.length === 0) throw new UsageError("images are missing: give --images or --data");
  if (captions.length > 0 && captionsFile !== undefined) {
    throw new UsageError("--captions and --captions-file exclude each other");
  }
  if (captions.length === 0 && captionsFile === undefined) {
    throw new UsageError("captions are missing: give --captions or --captions-file, or --data for a folder with both");
  }
  const texts = captionsFile === undefined ? captions : await readListFile(captionsFile, "caption");
  const files = (await Promise.all(images.map(expandImages))).flat();
  // As many captions as images: the first belongs to the first, and so on. An equal text is as good as its own.
  const own = files.map((_, image) =>
    files.length === texts.length ? texts.flatMap((caption, index) => (caption === texts[image] ? [index] : [])) : [],
  );
  return { images: files.map(imageFile), captions: texts, own };
}

/** Every caption once, in the order of the images; all variants of an image are its own. */
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
