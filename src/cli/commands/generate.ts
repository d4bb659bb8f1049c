/** @file `softrepa generate`: its options. */

import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { choice, list, maxSeed, path, pixels, text, whole } from "../../core/option-values.js";
import { readListFile } from "../../data/text-file.js";
import { planImageFiles } from "../../runs/outputs.js";
import type { ImageFileJob } from "../../sampling/image-files.js";
import { diffusionSchedulerNames } from "../../schedulers/index.js";
import {
  checkTokenUse,
  forceField,
  machineFields,
  modelField,
  modelFileFields,
  samplingFields,
  tokenUseFields,
} from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, option, repeated, under, type ValuesOf } from "../options.js";

const schedulers = choice([...diffusionSchedulerNames, "flow-euler", "own"]);

function fields() {
  const { negative, maxSequenceLength, ...sampling } = samplingFields();
  return {
    model: modelField(),
    out: option("--out <path>", path.describe("x.png (several: x-0001.png ...) or a folder")),
    force: forceField("overwrite images; use tokens of another base"),
    ...under("Text", {
      prompt: repeated(
        "--prompt <text>",
        list(text, "must be a text").default([]).describe("what to show; may be given several times"),
      ),
      prompts: option("--prompts <file>", path.optional().describe("prompts, one a line; # starts a comment")),
      negative,
      maxSequenceLength,
    }),
    ...under("Soft tokens", tokenUseFields()),
    ...under("Sampling", {
      seed: option("--seed <n>", whole(-1, maxSeed).default(-1).describe("seed of the noise, -1: random")),
      images: option("--images <n>", whole(1, 9999).default(1).describe("images a prompt; their seeds count up")),
      ...sampling,
      /** `own` is the one that the pipeline's file names. */
      scheduler: option(
        "--scheduler <name>",
        schedulers.optional().describe("such as ddim; ? lists all (default: by family)"),
      ),
      width: option("--width <n>", pixels.optional().describe("width in pixels (default: the model's)")),
      height: option("--height <n>", pixels.optional().describe("height in pixels (default: the model's)")),
    }),
    ...modelFileFields(),
    ...machineFields(),
  };
}

type Values = ValuesOf<ReturnType<typeof fields>>;

export interface GenerateCommandOptions extends Omit<Values, "prompt" | "prompts" | "images" | "seed" | "out"> {
  /**
   * Prompt after prompt, each with its images in the order of their seeds, which are known also where they were drawn at
   * random. The files are new or to be overwritten.
   */
  readonly jobs: readonly ImageFileJob[];
}

export function generateCommand(run: CommandRun<GenerateCommandOptions>): Command {
  return defineCommand(
    {
      name: "generate",
      description: "make images, with soft tokens or without",
      fields: fields(),
      examples: [
        'softrepa generate --model sd3-medium --prompt "two cats" --out cats.png',
        "softrepa generate --model sd3-medium --tokens tokens.safetensors \\\n" +
          "      --prompts prompts.txt --images 4 --seed 7 --out gallery/",
      ],
      resolve: async (raw, given) => {
        const { prompt, prompts, images, seed, out, ...options } = raw;
        checkTokenUse(raw, given);
        const texts = await readPrompts(prompt, prompts);
        const files = await planImageFiles(out, texts.length * images, options.force);
        const first = seed === -1 ? randomInt(2 ** 31) : seed;
        const jobs = files.map((file, index) => ({
          prompt: texts[Math.floor(index / images)] ?? "",
          // Every prompt starts from the same seed, so that prompts can be compared on the same noise.
          seed: (first + (index % images)) % (maxSeed + 1),
          file,
        }));
        return { ...options, jobs };
      },
    },
    run,
  );
}

async function readPrompts(typed: readonly string[], file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) {
    if (typed.length === 0) throw new UsageError("a prompt is missing: give `prompt` or `prompts`");
    return typed;
  }
  if (typed.length > 0) throw new UsageError("`prompt` and `prompts` exclude each other");
  return readListFile(file, "prompt");
}
