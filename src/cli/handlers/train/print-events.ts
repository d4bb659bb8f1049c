/** @file Prints events of a run as text and as JSON events. */

import { formatByteSize } from "../../../core/byte-size.js";
import type { RunEvent } from "../../../runs/events.js";
import { describePlan } from "../../../training/plan/fit.js";
import { formatDuration, formatNumber } from "../../format/number.js";
import type { Reporter } from "../../reporter.js";
import { planFields } from "./print-estimate.js";

/** `logEvery`: steps between JSON "step" events. */
export function eventPrinter(reporter: Reporter, logEvery: number): (event: RunEvent) => void {
  return (event) => print(event, reporter, logEvery);
}

function print(event: RunEvent, reporter: Reporter, logEvery: number): void {
  switch (event.type) {
    case "warning":
      reporter.warn(event.message);
      break;
    case "progress":
      reporter.progress(event.label, event.done, event.total);
      break;
    case "start":
      reporter.progress("steps", event.step, event.steps);
      break;
    case "step":
      printStep(event, reporter, logEvery);
      break;
    case "memory": {
      const { plan, cacheBytes, memory } = event.fitted;
      const fields = { ...planFields(plan), cacheBytes, memory: memory.total };
      const kept = `up to ${formatByteSize(cacheBytes)} of encodings cached`;
      const text = `${describePlan(plan)}, ${kept}: about ${formatByteSize(memory.total)}`;
      reporter.event("memory", fields, text);
      break;
    }
    case "sample":
      reporter.event("sample", { step: event.step, file: event.file, ...event.settings });
      break;
    case "validation": {
      const { step, loss, rank1, gap } = event;
      const metrics = `loss ${loss.toFixed(4)}, rank1 ${rank1.toFixed(2)}, gap ${gap.toFixed(4)}`;
      report(event, reporter, `validation after ${step} steps: ${metrics}`);
      break;
    }
    case "taken": {
      const { planned, took, ratio } = event;
      const memory = `estimated ${formatByteSize(planned.memory)}, took ${formatByteSize(took.memory)}`;
      const time = `estimated ${formatDuration(planned.seconds)}, took ${formatDuration(took.seconds)}`;
      report(event, reporter, `${memory} (${ratio.memory.toFixed(2)}); ${time} (${ratio.seconds.toFixed(2)})`);
      break;
    }
    case "saved":
      report(event, reporter, `${event.file}  after ${event.steps} steps`);
      break;
    case "best":
      report(event, reporter, `${event.file}  best ${event.metric}: ${event.value.toFixed(4)}`);
      break;
    case "data": {
      const { type, ...fields } = event;
      // Older names, for scripts.
      reporter.event(type, { ...fields, shape: event.format, left: event.skipped });
      break;
    }
    case "checkpoint":
      report(event, reporter);
      break;
    case "finished":
      break;
  }
}

function report({ type, ...fields }: RunEvent, reporter: Reporter, text?: string): void {
  reporter.event(type, fields, text);
}

function printStep(
  { type, steps, rates, ...step }: Extract<RunEvent, { type: "step" }>,
  reporter: Reporter,
  logEvery: number,
): void {
  reporter.progress("steps", step.step, steps, {
    loss: step.loss.toFixed(4),
    ...(step.rank1 === null ? {} : { rank1: step.rank1.toFixed(2) }),
    ...(rates && { "images/s": formatNumber(rates.images), "pairs/s": formatNumber(rates.pairs) }),
  });
  if (step.step === steps || step.step % logEvery === 0) reporter.event(type, step);
}
