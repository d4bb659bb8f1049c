/** @file A checkpoint without a training run, for tests of run folders. */

import { Generator } from "../../core/random.js";
import { floatTensor } from "../../core/tensor.js";
import type { Checkpoint } from "../../runs/folder/checkpoint.js";

/** Values are determined by the step. */
export function syntheticCheckpoint(step: number, metrics: Checkpoint["metrics"] = {}, timeTable = true): Checkpoint {
  const random = new Generator(step);
  const values = (count: number) => random.normal([count]).data;
  const moments = (count: number) => ({ first: values(count), second: values(count), count: step });
  return {
    softTokens: {
      placement: "prefix",
      tokens: floatTensor([2, 3, 4], values(24)),
      timeTable: timeTable ? floatTensor([5, 8], values(40)) : null,
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
