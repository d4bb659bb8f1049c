import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diffusionSchedulers, flowMatchEuler, parseDiffusionConfig } from "../schedulers/index.js";
import { skippedSteps } from "./strength.js";

describe("strength", () => {
  const diffusion = diffusionSchedulers.ddim(parseDiffusionConfig({ _class_name: "DDIMScheduler" }));
  const stepsRun = (scheduler: typeof diffusion, steps: number, strength: number) =>
    steps - skippedSteps(scheduler, steps, strength);

  it("rounds down the steps that run on UNets, and those that are skipped on flows", () => {
    assert.equal(stepsRun(diffusion, 10, 0.55), 5);
    assert.equal(stepsRun(flowMatchEuler({}), 10, 0.55), 6);
  });
  it("is computed in doubles: 50 * 0.58 is below 29", () => {
    assert.equal(stepsRun(diffusion, 50, 0.58), 28);
  });
  it("runs nothing at 0 and everything at 1", () => {
    for (const scheduler of [diffusion, flowMatchEuler({})]) {
      assert.deepEqual([stepsRun(scheduler, 7, 0), stepsRun(scheduler, 7, 1)], [0, 7]);
    }
  });
});
