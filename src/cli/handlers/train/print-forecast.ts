/** @file The forecast of a run, as a table. */

import { formatByteSize } from "../../../core/byte-size.js";
import type { ExecutionPlan } from "../../../objectives/execution-plan.js";
import type { Forecast } from "../../../runs/forecast.js";
import { describePlan } from "../../../training/plan/fit.js";
import { formatDuration } from "../../format/number.js";
import { formatTable } from "../../format/table.js";
import type { Reporter } from "../../reporter.js";

/** As the options of `train` are named. */
export function planFields({ pairsPerRun, checkpoints, repackWeights }: ExecutionPlan) {
  return { chunk: pairsPerRun, checkpoints, repackWeights };
}

/** `prefix` begins every line, as a comment behind a configuration. */
export function printForecast({ plan, steps, memory, disk, time }: Forecast, reporter: Reporter, prefix = ""): void {
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
      `${steps} steps of ${formatDuration(time.secondsPerStep)}, ${describePlan(plan)}; ${how}`,
    ],
  ]);
  for (const line of lines) reporter.print(`${prefix}${line}`);
}
