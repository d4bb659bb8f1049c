import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { assertClose } from "../testing/schedulers/contract.js";
import { firstOrderStep } from "./first-order.js";
import { explodingLevel, flowLevel, levelOfAlpha, levelOfSigma, type NoiseLevel } from "./noise-level.js";
import { estimate, type PredictionType, parametrisations } from "./parametrisation.js";
import { weightedSum } from "./weighted-sum.js";

const diffusion = [levelOfAlpha(0.9), levelOfAlpha(0.02), levelOfSigma(2), explodingLevel(0.3), explodingLevel(9)];
const levels: Readonly<Record<PredictionType, readonly NoiseLevel[]>> = {
  epsilon: diffusion,
  v_prediction: diffusion,
  sample: diffusion,
  flow: [flowLevel(0.02), flowLevel(0.5), flowLevel(0.99)],
};

const [clean, noise] = [floatTensor([3], Float32Array.of(0.5, -2, 1)), floatTensor([3], Float32Array.of(1.5, 0.1, -1))];
const at = (level: NoiseLevel): FloatTensor => weightedSum([level.signal, clean], [level.noise, noise]);

for (const [name, parametrisation] of Object.entries(parametrisations)) {
  describe(`prediction of ${name}`, () => {
    const tested = levels[name as PredictionType];
    const perfect = (level: NoiseLevel) => {
      const target = parametrisation.target(level);
      return weightedSum([target.clean, clean], [target.noise, noise]);
    };

    it("recovers the clean sample and the noise", () => {
      for (const level of tested) {
        const [sample, output] = [at(level), perfect(level)];
        assertClose(estimate(parametrisation.toClean(level), sample, output), clean, 2e-5, 2e-5);
        assertClose(estimate(parametrisation.toNoise(level), sample, output), noise, 2e-5, 2e-5);
        const twice = weightedSum([-2, noise]);
        assertClose(estimate(parametrisation.toNoise(level, -2), sample, output), twice, 2e-5, 2e-5);
      }
    });

    it("steps between any two levels", () => {
      for (const from of tested) {
        for (const to of tested) {
          const next = firstOrderStep(parametrisation, { from, to }, { sample: at(from), output: perfect(from) });
          assertClose(next, at(to), 1e-4, 2e-5);
        }
      }
    });
  });
}

describe("targets", () => {
  it("agree with the papers", () => {
    const level = levelOfAlpha(0.36);
    const targetOf = (name: PredictionType) => Object.values(parametrisations[name].target(level));
    assert.deepEqual(targetOf("epsilon"), [0, 1]);
    assert.deepEqual(targetOf("v_prediction"), [-0.8, 0.6]);
    assert.deepEqual(targetOf("sample"), [1, 0]);
    assert.deepEqual(targetOf("flow"), [-1, 1]);
  });
});
