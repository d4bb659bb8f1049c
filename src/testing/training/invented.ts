/** @file A checkpoint that no training made, for tests of where checkpoints lie. It has no tests of its own. */

import { Generator } from "../../core/random.js";
import { floatTensor } from "../../core/tensor.js";
import type { Checkpoint } from "../../runs/folder/checkpoint.js";

/** Numbers follow from the step. */
export function inventedCheckpoint(step: number, metrics: Checkpoint["metrics"] = {}, timeTable = true): Checkpoint {
  const random = new Generator(step);
  const numbers = (count: number) => random.normal([count]).data;
  const moments = (count: number) => ({ first: numbers(count), second: numbers(count), count: step });
  return {
    softTokens: {
      placement: "prefix",
      tokens: floatTensor([2, 3, 4], numbers(24)),
      timeTable: timeTable ? floatTensor([5, 8], numbers(40)) : null,
      metadata: { "softrepa.family": "sd3", note: "é" },
    },
    state: {
      step,
      tokens: moments(24),
      timeTable: timeTable ? moments(40) : undefined,
      random: random.state(),
      sampler: { seed: 3, batches: step },
    },
    metrics,
    fingerprints: { model: "m", data: "d" },
  };
}
