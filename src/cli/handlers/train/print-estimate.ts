/** @file Prints the estimated cost of a run as a table. */

import { formatByteSize } from "../../../core/byte-size.js";
import type { ExecutionPlan } from "../../../objectives/execution-plan.js";
import type { RunEstimate } from "../../../runs/estimate.js";
import { describePlan } from "../../../training/plan/fit.js";
import { formatDuration } from "../../format/number.js";
import { formatTable } from "../../format/table.js";
import type { Reporter } from "../../reporter.js";

/** Named as the options of `train`. */
export function planFields({ pairsPerRun, checkpoints, repackWeights }: ExecutionPlan) {
  return { chunk: pairsPerRun, checkpoints, repackWeights };
}

/** Keeps the older name `secondsAStep` for scripts. */
function withOldName(time: RunEstimate["time"]) {
  return { ...time, secondsAStep: time.secondsPerStep };
}

/** `prefix` starts every line, such as "# " after a configuration. */
export function printEstimate({ plan, steps, memory, disk, time }: RunEstimate, reporter: Reporter, prefix = ""): void {
  reporter.event("forecast", { ...planFields(plan), steps, memory, disk, time: withOldName(time) });
  const size = formatByteSize;
  const method =
    time.rate === null ? "measured on real steps" : `matrix products at ${(time.rate / 1e9).toFixed(0)} GFLOP/s`;
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
      `${steps} steps of ${formatDuration(time.secondsPerStep)}, ${describePlan(plan)}; ${method}`,
    ],
  ]);
  for (const line of lines) reporter.print(`${prefix}${line}`);
}
