import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { openTiny } from "../testing/pipelines/support.js";
import { noiseLevel } from "./noise-level.js";
import type { Denoiser } from "./pipeline.js";

/** A path sqrt(c) x_0 + sqrt(1-c) noise whose target is `towards` (x_0, noise). */
function path(c: number, [towardsClean, towardsNoise]: readonly [number, number]): Pick<Denoiser, "noising"> {
  const mix = (x: FloatTensor, noise: FloatTensor, a: number, b: number) =>
    floatTensor(
      x.shape,
      x.data.map((value, i) => a * value + b * noise.data[i]),
    );
  return {
    noising: (x, noise) => ({
      sample: mix(x, noise, Math.sqrt(c), Math.sqrt(1 - c)),
      target: mix(x, noise, towardsClean, towardsNoise),
    }),
  };
}

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)), `${actual}, expected ${expected}`);
}

describe("noiseLevel", async () => {
  const flow = await openTiny("sd35");

  it("maps a flow's time to log-SNR and velocity errors to noise errors", () => {
    for (const timestep of [1, 20, 500, 750.5, 999]) {
      const s = timestep / 1000;
      const { logSnr, errorScale } = noiseLevel(flow, timestep);
      assertNear(logSnr, 2 * Math.log((1 - s) / s));
      assertNear(errorScale, (1 - s) ** 2);
    }
  });

  it("knows noise and v prediction", () => {
    for (const c of [0.0047, 0.3, 0.99915]) {
      const noise = noiseLevel(path(c, [0, 1]), 0);
      assertNear(noise.logSnr, Math.log(c / (1 - c)));
      assertNear(noise.errorScale, 1);
      const v = noiseLevel(path(c, [-Math.sqrt(1 - c), Math.sqrt(c)]), 0);
      assertNear(v.logSnr, noise.logSnr);
      assertNear(v.errorScale, c);
    }
  });

  it("is infinite where there is only picture or only noise", () => {
    assert.equal(noiseLevel(flow, 0).logSnr, Number.POSITIVE_INFINITY);
    assert.equal(noiseLevel(flow, 1000).logSnr, Number.NEGATIVE_INFINITY);
  });

  it("scales errors of a real sample", () => {
    const random = new Generator(2);
    const [x, noise, prediction] = [0, 1, 2].map(() => random.normal([1, 4, 4, 4]));
    const { sample, target } = flow.noising(x, noise, 300);
    // x_t = (1-s) x_0 + s noise and v = noise - x_0 give noise = x_t + (1-s) v.
    const estimate = sample.data.map((value, i) => value + 0.7 * prediction.data[i]);
    const squared = (a: FloatTensor["data"], b: FloatTensor["data"]) =>
      a.reduce((sum, y, i) => sum + (y - b[i]) ** 2, 0);
    const scaled = noiseLevel(flow, 300).errorScale * squared(prediction.data, target.data);
    assertNear(scaled / squared(estimate, noise.data), 1);
  });
});
