import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import { assertClose, checkScheduler, noNoise, parity, readTensors } from "../testing/schedulers/contract.js";
import { type FlowMatchEuler, flowMatchEuler } from "./flow-match-euler.js";

async function open(family: string): Promise<FlowMatchEuler> {
  const file = join(parity, family, "pipeline/scheduler/scheduler_config.json");
  return flowMatchEuler(JSON.parse(await readFile(file, "utf8")), file);
}

for (const family of ["sd3", "sd35"]) {
  describe(`flow-match Euler of ${family}`, () => {
    const golden = join(parity, family, "scheduler-flow-euler.safetensors");
    checkScheduler(() => open(family), golden, 7, 1e-6);

    it("gives the golden noise levels exactly", async () => {
      const scheduler = await open(family);
      const sigmas = async (file: string) => [...(await readTensors(join(parity, family, file)))("sigmas").data];
      assert.deepEqual(scheduler.schedule(7).sigmas, await sigmas("scheduler-flow-euler.safetensors"));
      assert.deepEqual(scheduler.schedule(8).sigmas, await sigmas("flowedit-base.safetensors"));
    });
  });
}

describe("flow-match Euler", () => {
  it("noises for training along the straight line, without the shift", () => {
    const scheduler = flowMatchEuler({ shift: 3 });
    const clean = floatTensor([1, 2], Float32Array.of(2, -1));
    const noise = floatTensor([1, 2], Float32Array.of(-2, 4));
    const at = (timestep: number) => scheduler.addNoise(clean, noise, timestep);
    assertClose(at(250), floatTensor([1, 2], Float32Array.of(1, 0.25)), 1e-7, 0);
    assert.deepEqual(at(0), clean);
    assert.deepEqual(at(1000), noise);
  });

  it("reaches the picture in one step from a right velocity", () => {
    const scheduler = flowMatchEuler({ shift: 3 });
    const run = scheduler.start(1);
    assert.deepEqual([run.timesteps, run.initialScale], [[1000], 1]);
    const [picture, noise] = [Float32Array.of(0.25, -2), Float32Array.of(1.5, 0.5)];
    const velocity = floatTensor(
      [2],
      noise.map((eps, i) => eps - (picture[i] ?? 0)),
    );
    assert.deepEqual(run.step(0, floatTensor([2], noise), velocity, noNoise).data, picture);
    assert.throws(() => run.step(1, floatTensor([2], noise), velocity, noNoise), RangeError);
    assert.throws(() => run.step(0, floatTensor([2], noise), floatTensor([1, 2]), noNoise), RangeError);
  });

  it("refuses settings that it does not compute, naming them", () => {
    const cases: [unknown, RegExp][] = [
      [{ use_dynamic_shifting: true }, /: use_dynamic_shifting: not supported \(/],
      [{ shift_terminal: 0.02 }, /: shift_terminal: not supported$/],
      [{ use_karras_sigmas: true }, /: use_karras_sigmas: not supported$/],
      [{ use_exponential_sigmas: true }, /: use_exponential_sigmas: not supported$/],
      [{ use_beta_sigmas: true }, /: use_beta_sigmas: not supported$/],
      [{ invert_sigmas: true }, /: invert_sigmas: not supported$/],
      [{ stochastic_sampling: true }, /: stochastic_sampling: not supported$/],
      [{ _class_name: "DDIMScheduler" }, /: _class_name: not supported here, only FlowMatchEulerDiscreteScheduler/],
      [{ shift: 0 }, /shift: /],
      [{ shift: "3" }, /shift: /],
      [{ num_train_timesteps: 0.5 }, /num_train_timesteps: /],
      [null, /json: Invalid input: expected object/],
    ];
    for (const [config, message] of cases) {
      assert.throws(
        () => flowMatchEuler(config, "a/scheduler_config.json"),
        (error) => {
          assert.ok(error instanceof InputError);
          assert.match(error.message, /^a\/scheduler_config\.json: [^\n]*$/);
          assert.match(error.message, message);
          return true;
        },
      );
    }
  });
});
