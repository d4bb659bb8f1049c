import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { spacedTimesteps } from "./timestep-spacing.js";

const trailing = (trainTimesteps: number, steps: number) =>
  spacedTimesteps({ spacing: "trailing", steps, trainTimesteps, offset: 0 });

describe("trailing timesteps", () => {
  it("are rounded like numpy halfway between integers", () => {
    // numpy.round(numpy.arange(n, 0, -n / steps)) - 1; numpy's step is slightly smaller than 25 / 6.
    assert.deepEqual(
      trailing(100, 24),
      [99, 95, 91, 86, 82, 78, 74, 70, 66, 61, 57, 53, 49, 45, 41, 36, 32, 28, 24, 20, 16, 11, 7, 3],
    );
    assert.deepEqual(trailing(1000, 48).slice(0, 12), [999, 978, 957, 936, 916, 895, 874, 853, 832, 811, 791, 770]);
  });

  it("have the requested number and are not negative", () => {
    for (const trainTimesteps of [1000, 777, 50]) {
      for (let steps = 1; steps <= trainTimesteps; steps++) {
        const timesteps = trailing(trainTimesteps, steps);
        assert.equal(timesteps.length, steps);
        assert.ok(timesteps.every((timestep) => timestep >= 0 && timestep < trainTimesteps));
      }
    }
  });
});
