/** @file Measures the duration of training steps. */

import { InterruptedError } from "../core/errors.js";
import { truncationWarner } from "../pipelines/truncation-warner.js";
import { train } from "../training/train.js";
import type { RunHooks } from "./events.js";
import type { PreparedRun } from "./prepare.js";

/** Steps to time, after one that compiles graphs and allocates memory. */
const timedSteps = 3;

/** Seconds per step, including the encoding of its images and captions; discards the trained tokens. */
export async function measureStep(run: PreparedRun, { signal, emit }: RunHooks): Promise<number> {
  const { pipeline, pools, softTokens, objective, settings } = run;
  const ends: number[] = [];
  const hooks = {
    signal,
    onTruncated: truncationWarner((message) => emit({ type: "warning", message })),
    onStep: () => {
      ends.push(performance.now());
      emit({ type: "progress", label: "measured steps", done: ends.length, total: timedSteps + 1 });
    },
  };
  await train(pipeline, { ...settings, ...hooks, pools, softTokens, objective, steps: timedSteps + 1 });
  const [[first], last] = [ends, ends.at(-1)];
  if (first === undefined || last === undefined || ends.length < 2) {
    throw new InterruptedError("interrupted before a step could be timed");
  }
  return (last - first) / 1000 / (ends.length - 1);
}
