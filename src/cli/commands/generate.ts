/** @file `softrepa generate`: its options. */

import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { readListFile } from "../../data/text-file.js";
import { diffusionSchedulerNames } from "../../schedulers/index.js";
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
  choice,
  defaulted,
  defineCommand,
  type FieldsOf,
  flag,
  optional,
  path,
  pixels,
  real,
  repeated,
  required,
  text,
  under,
  whole,
} from "../options.js";
import { planImageFiles } from "../outputs.js";

const schedulerNames = [...diffusionSchedulerNames, "flow-euler", "own"] as const;
type SchedulerName = (typeof schedulerNames)[number];

/** One image to make. */
export interface ImageJob {
  readonly prompt: string;
  /** Always printed and stored with the image, also where it was drawn at random. */
  readonly seed: number;
  /** Checked: in a writable folder, and new or to be overwritten. */
  readonly file: string;
}

interface SamplingOptions extends ModelFileOptions, MachineOptions, TokenUseOptions {
  readonly model: string;
  readonly negative: string;
  /** The family's default where undefined, also of the guidance scale. */
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  /** The family's default where undefined; `own` is the one that the pipeline's file names. */
  readonly scheduler: SchedulerName | undefined;
  /** The model's own where undefined. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Images denoised together. */
  readonly batch: number;
  /** Copy the denoiser's weights into faster layouts. */
  readonly repack: boolean;
  /** Length of T5 text; the family's default where undefined. */
  readonly maxSequenceLength: number | undefined;
}

export interface GenerateCommandOptions extends SamplingOptions {
  /** Use tokens that were trained on another base; images are overwritten too, which is settled already. */
  readonly force: boolean;
  /** Prompt after prompt, each with its images in the order of their seeds. */
  readonly jobs: readonly ImageJob[];
}

interface RawOptions extends SamplingOptions {
  readonly prompt: readonly string[];
  readonly prompts: string | undefined;
  readonly images: number;
  readonly seed: number;
  readonly out: string;
  readonly force: boolean;
}

function fields(): FieldsOf<RawOptions> {
  return {
    model: required("--model <path>", "diffusers folder, or a checkpoint file", path),
    out: required("--out <path>", "x.png (several: x-0001.png ...) or a folder", path),
    force: flag("--force", "overwrite images; use tokens of another base"),
    ...under("Text", {
      prompt: repeated("--prompt <text>", "what to show; may be given several times", text),
      prompts: optional("--prompts <file>", "prompts, one a line; # starts a comment", path),
      negative: defaulted("--negative <text>", "what not to show", text, "", "empty"),
      maxSequenceLength: optional("--max-sequence-length <n>", "T5 text tokens (default: 256)", whole(1, 512)),
    }),
    ...under("Soft tokens", tokenUseFields()),
    ...under("Sampling", {
      seed: defaulted("--seed <n>", "seed of the noise, -1: random", whole(-1, maxSeed), -1),
      images: defaulted("--images <n>", "images a prompt; their seeds count up", whole(1, 9999), 1),
      steps: optional("--steps <n>", "denoising steps (default: by family)", whole(1, 1000)),
      scheduler: optional(
        "--scheduler <name>",
        "such as ddim; ? lists all (default: by family)",
        choice(schedulerNames),
      ),
      guidance: optional("--guidance <x>", "guidance scale, 1: none (default: by family)", real(0)),
      width: optional("--width <n>", "width in pixels (default: the model's)", pixels),
      height: optional("--height <n>", "height in pixels (default: the model's)", pixels),
      batch: defaulted("--batch <n>", "images denoised together", whole(1, 4096), 1),
      repack: flag("--repack", "copy weights into faster layouts, for many images"),
    }),
    ...under("Model files", modelFileFields()),
    ...under("Machine", machineFields()),
  };
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
        const { prompt, prompts, images, seed, out, force, ...sampling } = raw;
        checkTokenUse(raw, given);
        const texts = await readPrompts(prompt, prompts);
        const files = await planImageFiles(out, texts.length * images, force);
        const first = seed === -1 ? randomInt(2 ** 31) : seed;
        const jobs = files.map((file, index) => ({
          prompt: texts[Math.floor(index / images)] ?? "",
          // Every prompt starts from the same seed, so that prompts can be compared on the same noise.
          seed: (first + (index % images)) % (maxSeed + 1),
          file,
        }));
        return { ...sampling, force, jobs };
      },
    },
    run,
  );
}

async function readPrompts(typed: readonly string[], file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) {
    if (typed.length === 0) throw new UsageError("a prompt is missing: give --prompt or --prompts");
    return typed;
  }
  if (typed.length > 0) throw new UsageError("--prompt and --prompts exclude each other");
  return readListFile(file, "prompt");
}
