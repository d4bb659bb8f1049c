/** @file `softrepa plan`: what a training run will take, told before it begins. */

import { measureStep } from "../../../runs/measure-step.js";
import { forecastOf, prepareRun } from "../../../runs/prepare.js";
import type { PlanCommandOptions } from "../../commands/plan.js";
import type { CommandContext } from "../../context.js";
import { printForecast } from "./print-forecast.js";
import { withRun } from "./train.js";

export async function runPlan(options: PlanCommandOptions, context: CommandContext): Promise<void> {
  const { reporter, signal } = context;
  await withRun(options, context, async (request, emit) => {
    const prepared = await prepareRun(request, { signal, emit });
    const planned = await forecastOf(prepared);
    if (!options.measure) return printForecast(planned, reporter);
    const secondsAStep = await measureStep(prepared, { signal, emit });
    const seconds = prepared.settings.steps * secondsAStep;
    printForecast(
      { ...planned, time: { ...planned.time, secondsPerStep: secondsAStep, seconds, rate: null } },
      reporter,
    );
  });
}
