/** @file `softrepa train`: where its options come from. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { type CompleteSpec, completeSpec, over } from "../../runs/complete-spec.js";
import { readConfigFile } from "../../runs/config/read-config.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { requireChangeable, resumedOptions } from "../../runs/resume-spec.js";
import type { CommandRun } from "../context.js";
import { defineCommand, type ValuesOf } from "../options.js";
import { trainFields } from "./train-options.js";

export interface TrainCommandOptions {
  readonly spec: CompleteSpec;
  /** Whether `out` holds a run to go on with; otherwise it is writable, and empty or to be overwritten. */
  readonly resume: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** What is typed; undefined where nothing is. */
export type TypedTrainOptions = ValuesOf<ReturnType<typeof trainFields>>;

export function trainCommand(run: CommandRun<TrainCommandOptions>): Command {
  return defineCommand(
    {
      name: "train",
      description: "learn soft text tokens from captioned images",
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

/** Checks what the options say together. */
export async function resolveTrain(
  options: TypedTrainOptions,
  given: ReadonlySet<string>,
): Promise<TrainCommandOptions> {
  const { config, resume, force, dryRun, json, ...typed } = options;
  if (resume !== undefined) requireChangeable([...given].filter((name) => name !== "resume" && name !== "json"));
  const file = config === undefined ? {} : await readConfigFile(config);
  const whole = resume === undefined ? over(typed, file) : await resumedOptions(resume, typed);
  for (const [name, flags] of [
    ["model", "--model <path>"],
    ["data", "--data <path...>"],
    ["out", "--out <folder>"],
  ] as const) {
    if (whole[name] === undefined) throw new UsageError(`required option '${flags}' not specified`);
  }
  const spec = await completeSpec(whole);
  if (resume === undefined) await requireRunFolder(spec.out, force || dryRun);
  return { spec, resume: resume !== undefined, force, dryRun, json };
}
