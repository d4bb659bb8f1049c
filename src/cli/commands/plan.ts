/** @file `softrepa plan`: the options of `train`, for a run that is not to begin yet. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import type { CommandRun } from "../context.js";
import { defaulted, defineCommand, type FieldsOf, flag, path } from "../options.js";
import { resolveTrain, settingsBelow, type TrainCommandOptions } from "./train.js";
import { type RawTrainOptions, trainFields } from "./train-options.js";

export interface PlanCommandOptions extends TrainCommandOptions {
  /** Time a few real steps instead of foretelling from plain products. */
  readonly measure: boolean;
}

interface RawPlanOptions extends RawTrainOptions {
  readonly measure: boolean;
}

export function planCommand(run: CommandRun<PlanCommandOptions>): Command {
  const train = trainFields();
  const fields: FieldsOf<RawPlanOptions> = {
    measure: flag("--measure", "time a few real steps, for a better guess"),
    ...train,
    out: defaulted("--out <folder>", "run folder it would be", path, "run"),
  };
  return defineCommand<RawPlanOptions, PlanCommandOptions>(
    {
      name: "plan",
      description: "tell memory, disk and time of a training run",
      fields,
      operands: { usage: "[config]", description: "a configuration file; options as of train" },
      examples: [
        "softrepa plan --model sd3-medium --data photos --steps 2000",
        "softrepa plan photos.yaml --memory 8GB",
        "softrepa plan --config runs/photos/config.yaml --measure",
      ],
      below: (typed, [config]) => {
        if (config !== undefined && typed.config !== undefined) {
          throw new UsageError("a configuration file and --config exclude each other");
        }
        return settingsBelow(train, config === undefined ? typed : { ...typed, config });
      },
      // As a dry run: the folder may hold anything, since nothing is written.
      resolve: async ({ measure, ...raw }, given) => {
        const resolved = await resolveTrain({ ...raw, dryRun: true }, given as ReadonlySet<keyof RawTrainOptions>);
        return { ...resolved, measure };
      },
    },
    run,
  );
}
