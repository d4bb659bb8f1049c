import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../core/random.js";
import type { FloatTensor } from "../core/tensor.js";
import { flowMatchEuler } from "./flow-match-euler.js";
import { levelOfAlpha } from "./noise-level.js";
import { type NoiseSchedule, noisySample } from "./noisy-sample.js";
import { type PredictionType, parametrisations } from "./parametrisation.js";
import { signalToNoise } from "./signal-to-noise.js";

const scheduleOf = (a: number, predicted: PredictionType): NoiseSchedule => ({
  trainTimesteps: 1,
  parametrisation: parametrisations[predicted],
  levelAt: () => levelOfAlpha(a),
});

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)), `${actual}, expected ${expected}`);
}

describe("signalToNoise", () => {
  const flow = flowMatchEuler({});

  it("maps a flow's time to log-SNR and velocity errors to noise errors", () => {
    for (const timestep of [1, 20, 500, 750.5, 999]) {
      const s = timestep / 1000;
      const { logSnr, errorScale } = signalToNoise(flow, timestep);
      assertNear(logSnr, 2 * Math.log((1 - s) / s));
      assertNear(errorScale, (1 - s) ** 2);
    }
  });

  it("handles noise and v prediction", () => {
    for (const c of [0.0047, 0.3, 0.99915]) {
      const noise = signalToNoise(scheduleOf(c, "epsilon"), 0);
      assertNear(noise.logSnr, Math.log(c / (1 - c)));
      assertNear(noise.errorScale, 1);
      const v = signalToNoise(scheduleOf(c, "v_prediction"), 0);
      assertNear(v.logSnr, noise.logSnr);
      assertNear(v.errorScale, c);
    }
  });

  it("is infinite without noise or without signal", () => {
    assert.equal(signalToNoise(flow, 0).logSnr, Number.POSITIVE_INFINITY);
    assert.equal(signalToNoise(flow, 1000).logSnr, Number.NEGATIVE_INFINITY);
  });

  it("converts target errors of a sample to noise errors", () => {
    const random = new Generator(2);
    const drawn = () => random.normal([1, 4, 4, 4]);
    const [x, noise, prediction] = [drawn(), drawn(), drawn()];
    const { sample, target } = noisySample(flow, x, noise, 300);
    // x_t = (1-s) x_0 + s noise and v = noise - x_0 give noise = x_t + (1-s) v.
    const estimate = sample.data.map((value, i) => value + 0.7 * (prediction.data[i] ?? 0));
    const squared = (a: FloatTensor["data"], b: FloatTensor["data"]) =>
      a.reduce((sum, y, i) => sum + (y - (b[i] ?? 0)) ** 2, 0);
    const scaled = signalToNoise(flow, 300).errorScale * squared(prediction.data, target.data);
    assertNear(scaled / squared(estimate, noise.data), 1);
  });
});
