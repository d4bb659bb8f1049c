import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import { assertClose, checkScheduler, noNoise, parity, readTensors } from "../testing/schedulers/contract.js";
import { flowMatchEuler } from "./flow-match-euler.js";
import { noisySample } from "./noisy-sample.js";
import type { Scheduler } from "./scheduler.js";

async function open(family: string): Promise<Scheduler> {
  const file = join(parity, family, "pipeline/scheduler/scheduler_config.json");
  return flowMatchEuler(JSON.parse(await readFile(file, "utf8")), file);
}

for (const family of ["sd3", "sd35"]) {
  describe(`flow-match Euler of ${family}`, () => {
    const golden = join(parity, family, "scheduler-flow-euler.safetensors");
    checkScheduler(() => open(family), golden, 7, 1e-6);

    it("returns the golden noise levels exactly", async () => {
      const scheduler = await open(family);
      const sigmas = async (file: string) => [...(await readTensors(join(parity, family, file)))("sigmas").data];
      const levels = (steps: number) => scheduler.start(steps).levels.map(({ sigma }) => sigma);
      assert.deepEqual(levels(7), await sigmas("scheduler-flow-euler.safetensors"));
      assert.deepEqual(levels(8), await sigmas("flowedit-base.safetensors"));
    });

    it("starts image-to-image at the noise levels of diffusers' pipeline", async () => {
      const rows = z.object({
        rows: z.array(z.object({ steps: z.number(), steps_run: z.number(), first_sigma: z.number().nullable() })),
      });
      const file = join(parity, "../schedulers/strength-sd3.json");
      const scheduler = await open(family);
      for (const { steps, steps_run, first_sigma } of rows.parse(JSON.parse(await readFile(file, "utf8"))).rows) {
        const { timesteps, levels } = scheduler.start(steps, { from: steps - steps_run });
        assert.equal(timesteps.length, steps_run);
        assert.ok(first_sigma === null ? levels.length === 0 : Math.abs((levels[0]?.sigma ?? 0) - first_sigma) < 1e-6);
      }
    });
  });
}

describe("flow-match Euler", () => {
  it("adds noise for training along the straight line, without the shift", () => {
    const scheduler = flowMatchEuler({ shift: 3 });
    const clean = floatTensor([1, 2], Float32Array.of(2, -1));
    const noise = floatTensor([1, 2], Float32Array.of(-2, 4));
    const at = (timestep: number) => noisySample(scheduler, clean, noise, timestep).sample;
    assertClose(at(250), floatTensor([1, 2], Float32Array.of(1, 0.25)), 1e-7, 0);
    assert.deepEqual(at(0), clean);
    assert.deepEqual(at(1000), noise);
    const { target } = noisySample(scheduler, clean, noise, 250);
    assert.deepEqual(target, floatTensor([1, 2], Float32Array.of(-4, 5)));
  });

  it("reaches the clean sample in one step along the true velocity", () => {
    const scheduler = flowMatchEuler({ shift: 3 });
    const run = scheduler.start(1);
    assert.deepEqual([run.timesteps, run.initialScale], [[1000], 1]);
    const [clean, noise] = [Float32Array.of(0.25, -2), Float32Array.of(1.5, 0.5)];
    const velocity = floatTensor(
      [2],
      noise.map((eps, i) => eps - (clean[i] ?? 0)),
    );
    const start = run.begin(floatTensor([2], noise));
    assert.deepEqual(run.step(start, velocity, noNoise).sample.data, clean);
    assert.throws(() => run.step(start, floatTensor([1, 2]), noNoise), RangeError);
  });

  it("rejects unsupported settings by name", () => {
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
