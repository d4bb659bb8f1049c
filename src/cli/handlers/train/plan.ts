/** @file `softrepa plan`: what a training run will take, told before it begins. */

import { InterruptedError } from "../../../core/errors.js";
import { train } from "../../../training/train.js";
import type { PlanCommandOptions } from "../../commands/plan.js";
import type { CommandContext } from "../../context.js";
import { truncationWarner } from "../session.js";
import { forecastOf, type PreparedRun, withPreparedRun } from "./prepare.js";
import { objectiveOf } from "./settings.js";
import { tellPlan } from "./tell-plan.js";

/** Steps that are timed, behind one that compiles graphs and fetches memory. */
const timedSteps = 3;

export async function runPlan(options: PlanCommandOptions, context: CommandContext): Promise<void> {
  await withPreparedRun(options, context, async (prepared) => {
    const planned = await forecastOf(prepared);
    if (!options.measure) return tellPlan(planned, context.reporter);
    const secondsAStep = await measuredStep(prepared, context);
    const seconds = prepared.settings.steps * secondsAStep;
    tellPlan({ ...planned, time: { ...planned.time, secondsAStep, seconds, rate: null } }, context.reporter);
  });
}

/** Seconds of a real step, encoding of its images and captions included; the tokens are thrown away. */
async function measuredStep(run: PreparedRun, { reporter, signal }: CommandContext): Promise<number> {
  const { pipeline, pools, softTokens, options, settings } = run;
  const ends: number[] = [];
  const hooks = {
    signal,
    onTruncated: truncationWarner(reporter),
    onStep: () => {
      ends.push(performance.now());
      reporter.progress("measured steps", ends.length, timedSteps + 1);
    },
  };
  const short = { ...settings, steps: timedSteps + 1 };
  await train(pipeline, pools, softTokens, objectiveOf(options, settings), short, hooks);
  const [first, last] = [ends[0], ends.at(-1)];
  if (last === undefined || ends.length < 2) throw new InterruptedError("interrupted before a step could be timed");
  return (last - first) / 1000 / (ends.length - 1);
}
