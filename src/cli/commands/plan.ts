/** @file `softrepa plan`: the options of `train`, for a run that is not to begin yet. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { flag, path } from "../../core/option-values.js";
import type { CommandRun } from "../context.js";
import { defineCommand, option } from "../options.js";
import { resolveTrain, type TrainCommandOptions } from "./train.js";
import { trainFields } from "./train-options.js";

export interface PlanCommandOptions extends TrainCommandOptions {
  /** Time a few real steps instead of estimating from plain products. */
  readonly measure: boolean;
}

export function planCommand(run: CommandRun<PlanCommandOptions>): Command {
  return defineCommand(
    {
      name: "plan",
      description: "tell memory, disk and time of a training run",
      fields: {
        measure: option("--measure", flag.describe("time a few real steps, for a better guess")),
        ...trainFields(),
        out: option("--out <folder>", path.default("run").describe("run folder it would be")),
      },
      operands: { usage: "[config]", description: "a configuration file; options as of train" },
      examples: [
        "softrepa plan --model sd3-medium --data photos --steps 2000",
        "softrepa plan photos.yaml --memory 8GB",
        "softrepa plan --config runs/photos/config.yaml --measure",
      ],
      resolve: async ({ measure, ...typed }, given, [config = typed.config]) => {
        if (config !== typed.config && typed.config !== undefined) {
          throw new UsageError("a configuration file and `config` exclude each other");
        }
        // As a dry run: the folder may hold anything, since nothing is written.
        return { ...(await resolveTrain({ ...typed, config, dryRun: true }, given)), measure };
      },
    },
    run,
  );
}
