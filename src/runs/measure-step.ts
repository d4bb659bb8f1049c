/** @file How long a step of a run takes, measured. */

import { InterruptedError } from "../core/errors.js";
import { truncationWarner } from "../pipelines/truncation-warner.js";
import { train } from "../training/train.js";
import type { RunHooks } from "./events.js";
import type { PreparedRun } from "./prepare.js";

/** Steps that are timed, behind one that compiles graphs and fetches memory. */
const timedSteps = 3;

/** Seconds of a step, encoding of its images and captions included; the tokens are thrown away. */
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
