/** @file `softrepa plan`: estimates a training run from the options of `train`. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { flag, path } from "../../core/option-values.js";
import { measureStep } from "../../runs/measure-step.js";
import { estimateRun, prepareRun } from "../../runs/prepare.js";
import type { CommandContext, CommandRun } from "../context.js";
import { printEstimate } from "../handlers/train/print-estimate.js";
import { withRun } from "../handlers/train/train.js";
import { defineCommand, option } from "../options.js";
import { resolveTrain, type TrainCommandOptions } from "./train.js";
import { trainFields } from "./train-options.js";

export interface PlanCommandOptions extends TrainCommandOptions {
  /** Time a few real steps instead of estimating from the speed of matrix products. */
  readonly measure: boolean;
}

export function planCommand(run: CommandRun<PlanCommandOptions> = runPlan): Command {
  return defineCommand(
    {
      name: "plan",
      description: "estimate memory, disk and time of a training run",
      fields: {
        measure: option("--measure", flag.describe("time a few real steps, for a better estimate")),
        ...trainFields(),
        out: option("--out <folder>", path.default("run").describe("run folder to plan for")),
      },
      operands: { usage: "[config]", description: "a configuration file; takes the options of train" },
      examples: [
        "softrepa plan --model sd3-medium --data photos --steps 2000",
        "softrepa plan photos.yaml --memory 8GB",
        "softrepa plan --config runs/photos/config.yaml --measure",
      ],
      resolve: async ({ measure, ...typed }, given, [config = typed.config]) => {
        if (config !== typed.config && typed.config !== undefined) {
          throw new UsageError("a configuration file and `config` exclude each other");
        }
        // As in a dry run, the folder may have any contents because nothing is written.
        return { ...(await resolveTrain({ ...typed, config, dryRun: true }, given)), measure };
      },
    },
    run,
  );
}

async function runPlan(options: PlanCommandOptions, context: CommandContext): Promise<void> {
  const { reporter, signal } = context;
  await withRun(options, context, async (request, emit) => {
    const prepared = await prepareRun(request, { signal, emit });
    const planned = await estimateRun(prepared);
    if (!options.measure) return printEstimate(planned, reporter);
    const secondsPerStep = await measureStep(prepared, { signal, emit });
    const seconds = prepared.settings.steps * secondsPerStep;
    printEstimate({ ...planned, time: { ...planned.time, secondsPerStep, seconds, rate: null } }, reporter);
  });
}
