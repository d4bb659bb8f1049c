/** @file `softrepa generate`: generates images, with soft tokens or without. */

import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { choice, integer, list, maxSeed, path, pixels, text, torchSeed } from "../../core/option-values.js";
import { printable } from "../../core/text.js";
import { readListFile } from "../../data/text-file.js";
import { modelName } from "../../pipelines/model-name.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { planImageFiles } from "../../runs/outputs.js";
import { type ImageFileJob, writeImages } from "../../sampling/image-files.js";
import { diffusionSchedulerNames } from "../../schedulers/index.js";
import { openTokens } from "../../softtokens/open.js";
import {
  checkTokenUse,
  forceField,
  machineFields,
  modelField,
  modelFileFields,
  samplingFields,
  tokenUseFields,
} from "../common.js";
import type { CommandContext, CommandRun } from "../context.js";
import { withPipeline } from "../handlers/session.js";
import { defineCommand, group, option, repeated, type ValuesOf } from "../options.js";

const schedulers = choice([...diffusionSchedulerNames, "flow-euler", "own"]);

function fields() {
  const { negative, maxSequenceLength, ...sampling } = samplingFields();
  return {
    model: modelField(),
    out: option("--out <path>", path.describe("x.png (several: x-0001.png ...) or a folder")),
    force: forceField("overwrite images; allow tokens of another base"),
    ...group("Text", {
      prompt: repeated(
        "--prompt <text>",
        list(text, "must be a text").default([]).describe("prompt; may be given several times"),
      ),
      prompts: option("--prompts <file>", path.optional().describe("one prompt per line; # starts a comment")),
      negative,
      maxSequenceLength,
    }),
    ...group("Soft tokens", tokenUseFields()),
    ...group("Sampling", {
      seed: option("--seed <n>", torchSeed(-1).default(-1).describe("seed of the noise, -1: random")),
      images: option("--images <n>", integer(1, 9999).default(1).describe("images per prompt, seeds count up")),
      ...sampling,
      /** `own` is the scheduler that the pipeline's configuration names. */
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
   * One entry per image, grouped by prompt and ordered by seed. A random seed has been chosen already. Each file is new or
   * may be overwritten.
   */
  readonly jobs: readonly ImageFileJob[];
}

export function generateCommand(run: CommandRun<GenerateCommandOptions> = runGenerate): Command {
  return defineCommand(
    {
      name: "generate",
      description: "generate images, with soft tokens or without",
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
          // All prompts use the same seeds, so that they can be compared on the same noise.
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

async function runGenerate(options: GenerateCommandOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { model, tokens: file, strength, force, repack, ...request } = options;
  const warn = (message: string) => reporter.warn(message);
  await withPipeline(options, reporter, async (pipeline) => {
    const softTokens = await openTokens(file, pipeline, { force, warn });
    const images = writeImages(pipeline, {
      ...request,
      model: modelName(model),
      tokens: softTokens && { softTokens, file: file ?? "", strength },
      repackWeights: repack,
      signal,
      onProgress: (done, total) => reporter.progress("steps", done, total),
      onTruncated: truncationWarner(warn),
    });
    for await (const { file, settings } of images) {
      reporter.event("image", { file, ...settings }, printable(`${file}  seed ${settings.seed}  ${settings.prompt}`));
    }
  });
}
