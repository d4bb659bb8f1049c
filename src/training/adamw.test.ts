import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at } from "../core/lists.js";
import { torchOptimizers } from "../testing/training/support.js";
import { AdamW } from "./adamw.js";

describe("AdamW agrees with PyTorch", () => {
  for (const { name, start, gradients, rates, parameters, ...settings } of torchOptimizers.adamw) {
    it(name, () => {
      const parameter = Float32Array.from(start);
      const optimizer = new AdamW(parameter, settings);
      for (const [step, expected] of parameters.entries()) {
        const rate = at(rates, step);
        optimizer.step(Float32Array.from(at(gradients, step)), rate);
        for (const [i, wanted] of expected.entries()) {
          const difference = Math.abs(at(parameter, i) - wanted);
          // PyTorch rounds intermediate results to float32, which is visible in parameters that pass through zero.
          assert.ok(
            difference <= 2e-6 * Math.max(rate, Math.abs(wanted)),
            `step ${step}[${i}]: ${parameter[i]}, not ${wanted}`,
          );
        }
      }
    });
  }

  it("first moves by the learning rate whatever the gradient, and decays parameters without gradient", () => {
    const parameter = Float32Array.of(1, 1, 1);
    const optimizer = new AdamW(parameter, { weightDecay: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    optimizer.step(Float32Array.of(1e-3, -1e3, 0), 0.1);
    for (const [i, wanted] of [0.85, 1.05, 0.95].entries()) assert.ok(Math.abs(at(parameter, i) - wanted) < 1e-5);
  });
});
