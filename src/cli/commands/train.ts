/** @file `softrepa train`: what its options say together. */

import { join } from "node:path";
import type { Command } from "commander";
import { InputError, UsageError } from "../../core/errors.js";
import { readListFile } from "../../data/text-file.js";
import { readConfigFile } from "../config/config-file.js";
import type { CommandRun } from "../context.js";
import { defineCommand, type FieldsOf } from "../options.js";
import { requireRunFolder } from "../outputs.js";
import { readWeightedPath, type WeightedPath } from "../weighted-path.js";
import { commandOnly, type RawTrainOptions, trainFields } from "./train-options.js";
import { presets } from "./train-presets.js";

export interface TrainCommandOptions
  extends Omit<RawTrainOptions, "data" | "resume" | "samplePrompt" | "samplePrompts"> {
  readonly data: readonly WeightedPath[];
  /** Whether `out` holds a run to go on with; otherwise it is writable, and empty or to be overwritten. */
  readonly resume: boolean;
  readonly samplePrompts: readonly string[];
}

const layout = ["layers", "tokens", "buckets", "width", "stages"] as const;

/** What may change when a run goes on: nothing that its numbers depend on. */
const changeable = [
  ...["resume", "json", "steps", "epochs", "saveEvery", "keepLast", "best", "logEvery", "tensorboard"],
  ...["validateEvery", "sampleEvery", "engine", "provider", "precision", "threads"],
  ...["captionWindow", "latentsCacheLimit"],
];

export function trainCommand(run: CommandRun<TrainCommandOptions>): Command {
  const fields = trainFields();
  return defineCommand(
    {
      name: "train",
      description: "learn soft text tokens from captioned images",
      fields,
      examples: [
        "softrepa train --model sd3-medium --data photos --out runs/photos",
        "softrepa train --preset sd3 --model sd3-medium --data coco --out runs/coco",
        "softrepa train --model sd_xl_base_1.0.safetensors --data photos --out runs/xl",
        "softrepa train --config photos.yaml --lr 5e-4 --out runs/slower",
        "softrepa train --resume runs/photos --steps 8000",
      ],
      below: (typed) => settingsBelow(fields, typed),
      resolve: resolveTrain,
    },
    run,
  );
}

/** Checks what the options say together. */
export async function resolveTrain(
  raw: RawTrainOptions,
  given: ReadonlySet<keyof RawTrainOptions>,
): Promise<TrainCommandOptions> {
  const chosen = layout.find((name) => given.has(name));
  if (raw.initTokens !== undefined && chosen) {
    throw new UsageError(`--${chosen} cannot be chosen with --init-tokens, whose file says it`);
  }
  if (raw.steps !== undefined && raw.epochs !== undefined) {
    throw new UsageError("--steps and --epochs exclude each other");
  }
  if (raw.minLr > raw.lr) throw new UsageError(`--min-lr ${raw.minLr} is above --lr ${raw.lr}`);
  if (raw.holdOut > 0 && raw.validation !== undefined) {
    throw new UsageError("--hold-out and --validation exclude each other");
  }
  if (raw.validateEvery !== undefined && raw.holdOut === 0 && raw.validation === undefined) {
    throw new UsageError("--validate-every needs --hold-out or --validation");
  }
  if (raw.latentsCache === undefined && given.has("latentsCacheLimit")) {
    throw new UsageError("--latents-cache-limit needs --latents-cache");
  }
  if (raw.latentsCache !== undefined && raw.crop === "random") {
    throw new UsageError("--latents-cache is of no use with --crop random, whose parts never come up again");
  }
  const data = await Promise.all(raw.data.map((one) => (typeof one === "string" ? readWeightedPath(one) : one)));
  if (data.length === 0) throw new UsageError("required option '--data <path...>' not specified");
  const { resume, samplePrompt, samplePrompts, ...options } = raw;
  if (resume === undefined) await requireRunFolder(raw.out, raw.force || raw.dryRun);
  const prompts = await readPrompts(samplePrompt, samplePrompts);
  if (raw.sampleEvery !== undefined && prompts.length === 0) {
    throw new UsageError("--sample-every needs --sample-prompt or --sample-prompts");
  }
  return { ...options, data, resume: resume !== undefined, samplePrompts: prompts };
}

/** A configuration file over a preset. Of steps and epochs the one that is said nearer to the command line holds. */
export async function settingsBelow(
  fields: FieldsOf<RawTrainOptions>,
  typed: Readonly<Record<string, unknown>>,
): Promise<Partial<RawTrainOptions>> {
  const file = await fileOf(typed);
  const read = file === undefined ? {} : await readConfigFile<RawTrainOptions>(file, fields, commandOnly);
  // A run folder that was moved is where it is now.
  const values = typeof typed.resume === "string" ? { ...read, out: typed.resume } : read;
  const { initTokens, steps, epochs } = values;
  const chosen = layout.find((name) => values[name] !== undefined);
  if (chosen !== undefined && (typed.initTokens !== undefined || initTokens !== undefined)) {
    throw new InputError(`${file}: ${chosen} cannot be chosen with init-tokens, whose file says it`);
  }
  if (steps !== undefined && epochs !== undefined) {
    throw new InputError(`${file}: steps and epochs exclude each other`);
  }
  const preset = typed.preset === undefined ? values.preset : fields.preset.read(typed.preset);
  const below = { ...(preset && presets[preset]), ...values };
  const { steps: belowSteps, epochs: belowEpochs, ...rest } = below;
  if (typed.steps !== undefined || typed.epochs !== undefined) return rest;
  if (steps !== undefined) return { ...rest, steps };
  return { ...rest, ...(belowSteps && { steps: belowSteps }), ...(belowEpochs && { epochs: belowEpochs }) };
}

/** The configuration file: the one that was named, or that of the run to go on with. */
async function fileOf(typed: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  const { resume, config } = typed;
  if (typeof resume !== "string") return typeof config === "string" ? config : undefined;
  for (const name of Object.keys(typed)) {
    if (typed[name] === undefined || changeable.includes(name)) continue;
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(
      `--${flag} cannot be given with --resume: a run goes on as it began (a new one can begin with --init-tokens)`,
    );
  }
  return join(resume, "config.yaml");
}

async function readPrompts(typed: readonly string[], file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return typed;
  if (typed.length > 0) throw new UsageError("--sample-prompt and --sample-prompts exclude each other");
  return readListFile(file, "prompt");
}
