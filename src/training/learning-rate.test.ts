import assert from "node:assert/strict";
import { test } from "node:test";
import { torchOptimizers } from "../testing/training/support.js";
import { cosineRestarts } from "./learning-rate.js";

for (const { rates, ...schedule } of torchOptimizers.cosine) {
  test(`cosineRestarts agrees with PyTorch for period ${schedule.period}, ${schedule.learningRate} to ${schedule.minimum}`, () => {
    for (const [steps, expected] of rates.entries()) {
      const rate = cosineRestarts(schedule, steps);
      assert.ok(Math.abs(rate - expected) <= 1e-12 * expected, `after ${steps} steps: ${rate}, PyTorch ${expected}`);
    }
  });
}
