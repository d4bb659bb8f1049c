/** @file How a forecast is told, and how it compares with what a run took. */

import { formatByteSize } from "../../../core/byte-size.js";
import { writeFileAtomic } from "../../../core/files.js";
import type { ExecutionPlan } from "../../../objectives/execution-plan.js";
import { describePlan, type FittedRun } from "../../../training/plan/fit.js";
import type { RunFolder } from "../../../runs/folder/run-folder.js";
import { formatDuration } from "../../format/number.js";
import { formatTable } from "../../format/table.js";
import type { Reporter } from "../../reporter.js";
import type { Forecast } from "./forecast.js";

/** What a run took; `steps` are those of this call. */
export interface Taken {
  readonly steps: number;
  readonly seconds: number;
}

/** As the options of `train` are named. */
function planFields({ pairsPerRun, checkpoints, repackWeights }: ExecutionPlan) {
  return { chunk: pairsPerRun, checkpoints, repackWeights };
}

/** What `--memory` has decided. */
export function tellChoice(fitted: FittedRun, reporter: Reporter): void {
  const { plan, cacheBytes, memory } = fitted;
  const fields = { ...planFields(plan), cacheBytes, memory: memory.total };
  const kept = `up to ${formatByteSize(cacheBytes)} of encodings kept`;
  reporter.event("memory", fields, `${describePlan(plan)}, ${kept}: about ${formatByteSize(memory.total)}`);
}

/** `prefix` begins every line, as a comment behind a configuration. */
export function tellPlan({ plan, steps, memory, disk, time }: Forecast, reporter: Reporter, prefix = ""): void {
  reporter.event("forecast", { ...planFields(plan), steps, memory, disk, time });
  const size = formatByteSize;
  const how = time.rate === null ? "timed on real steps" : `products at ${(time.rate / 1e9).toFixed(0)} GFLOP/s`;
  const lines = formatTable([
    ["", "total", "of which"],
    [
      "memory",
      size(memory.total),
      `weights ${size(memory.weights)}, copies ${size(memory.copies)}, activations ${size(memory.activations)}, caches ${size(memory.caches)}, program ${size(memory.process + memory.sessions)}`,
    ],
    [
      "disk",
      size(disk.total),
      `checkpoints ${size(disk.checkpoints)}, samples ${size(disk.samples)}, latents ${size(disk.latentsCache)}`,
    ],
    [
      "time",
      formatDuration(time.seconds),
      `${steps} steps of ${formatDuration(time.secondsAStep)}, ${describePlan(plan)}; ${how}`,
    ],
  ]);
  for (const line of lines) reporter.print(`${prefix}${line}`);
}

/** Compares the forecast with the run that has just ended, in a line and in the run's `plan.json`. */
export async function tellTaken(
  { memory, time }: Forecast,
  { steps, seconds }: Taken,
  folder: RunFolder,
  reporter: Reporter,
): Promise<void> {
  // In kilobytes, of the whole process so far.
  const peak = 1024 * process.resourceUsage().maxRSS;
  const plannedSeconds = steps * time.secondsAStep;
  const planned = { memory: memory.total, seconds: plannedSeconds };
  const took = { memory: peak, seconds };
  const ratio = { memory: peak / memory.total, seconds: seconds / plannedSeconds };
  await writeFileAtomic(folder.plan, `${JSON.stringify({ steps, planned, took, ratio }, null, 2)}\n`);
  const memoryLine = `planned ${formatByteSize(memory.total)}, took ${formatByteSize(peak)} (${ratio.memory.toFixed(2)})`;
  const timeLine = `planned ${formatDuration(plannedSeconds)}, took ${formatDuration(seconds)} (${ratio.seconds.toFixed(2)})`;
  reporter.event("taken", { steps, planned, took, ratio }, `${memoryLine}; ${timeLine}`);
}
