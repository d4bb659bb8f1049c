/** @file The command `softrepa train`: combines its options with those of a configuration file or an earlier run. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { type CompleteSpec, completeSpec, withFallback } from "../../runs/complete-spec.js";
import { readConfigFile } from "../../runs/config/read-config.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { requireResumable, resumedOptions } from "../../runs/resume-spec.js";
import type { CommandRun } from "../context.js";
import { defineCommand, type ValuesOf } from "../options.js";
import { trainFields } from "./train-options.js";

export interface TrainCommandOptions {
  readonly spec: CompleteSpec;
  /** Whether to resume the run in `out`; otherwise `out` is writable, and empty or may be overwritten. */
  readonly resume: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Options on the command line; undefined if not typed. */
export type TypedTrainOptions = ValuesOf<ReturnType<typeof trainFields>>;

export function trainCommand(run: CommandRun<TrainCommandOptions>): Command {
  return defineCommand(
    {
      name: "train",
      description: "train soft text tokens on captioned images",
      fields: trainFields(),
      examples: [
        "softrepa train --model sd3-medium --data photos --out runs/photos",
        "softrepa train --preset sd3 --model sd3-medium --data coco --out runs/coco",
        "softrepa train --model sd_xl_base_1.0.safetensors --data photos --out runs/xl",
        "softrepa train --config photos.yaml --lr 5e-4 --out runs/slower",
        "softrepa train --resume runs/photos --steps 8000",
      ],
      resolve: resolveTrain,
    },
    run,
  );
}

/** Combines the options with a configuration file or a run to resume, and checks them together. */
export async function resolveTrain(
  options: TypedTrainOptions,
  given: ReadonlySet<string>,
): Promise<TrainCommandOptions> {
  const { config, resume, force, dryRun, json, ...typed } = options;
  if (resume !== undefined) requireResumable([...given].filter((name) => name !== "resume" && name !== "json"));
  const file = config === undefined ? {} : await readConfigFile(config);
  const combined = resume === undefined ? withFallback(typed, file) : await resumedOptions(resume, typed);
  for (const [name, flags] of [
    ["model", "--model <path>"],
    ["data", "--data <path...>"],
    ["out", "--out <folder>"],
  ] as const) {
    if (combined[name] === undefined) throw new UsageError(`required option '${flags}' not specified`);
  }
  const spec = await completeSpec(combined);
  if (resume === undefined) await requireRunFolder(spec.out, force || dryRun);
  return { spec, resume: resume !== undefined, force, dryRun, json };
}
