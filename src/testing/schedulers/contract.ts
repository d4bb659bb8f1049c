/** @file What every scheduler must do, for each one's tests to run. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UsageError } from "../../core/errors.js";
import { type FloatTensor, floatTensor, rows } from "../../core/tensor.js";
import type { DrawNoise, Scheduler } from "../../schedulers/scheduler.js";

export const parity = fileURLToPath(new URL("../../../test/fixtures/parity/", import.meta.url));

const header = z.record(
  z.string(),
  z.object({
    dtype: z.literal("F32"),
    shape: z.array(z.number()),
    data_offsets: z.tuple([z.number(), z.number()]),
  }),
);

/** The float32 tensors of a safetensors file. */
export async function readTensors(file: string): Promise<(name: string) => FloatTensor> {
  const bytes = await readFile(file);
  const dataStart = 8 + Number(bytes.readBigUInt64LE());
  const entries = header.parse(JSON.parse(bytes.toString("utf8", 8, dataStart)));
  return (name) => {
    const entry = entries[name];
    assert.ok(entry, `${file} has no ${name}`);
    const [start, end] = entry.data_offsets.map((offset) => dataStart + offset);
    return floatTensor(entry.shape, new Float32Array(Uint8Array.from(bytes.subarray(start, end)).buffer));
  };
}

export function assertClose(actual: FloatTensor, expected: FloatTensor, atol: number, rtol: number): void {
  assert.deepEqual(actual.shape, expected.shape);
  expected.data.forEach((wanted, i) => {
    const got = actual.data[i] ?? Number.NaN;
    assert.ok(Math.abs(got - wanted) <= atol + rtol * Math.abs(wanted), `[${i}]: ${got}, expected ${wanted}`);
  });
}

/** For schedulers that draw none. */
export const noNoise: DrawNoise = () => assert.fail("noise was drawn");

/** The checks that hold for any scheduler; `golden` is a file with timesteps, model outputs and the samples after each. */
export function checkScheduler(open: () => Promise<Scheduler>, golden: string, steps: number, atol: number): void {
  it("gives the golden timesteps and samples, and changes nothing it is handed", async () => {
    const tensor = await readTensors(golden);
    const [outputs, samples] = [tensor("model_outputs"), tensor("samples")];
    const run = (await open()).start(steps);
    assertClose(floatTensor([run.timesteps.length], Float32Array.from(run.timesteps)), tensor("timesteps"), 0, 0);
    const row = (all: FloatTensor, i: number): FloatTensor => {
      const { shape, data } = rows(all, i, i + 1);
      return floatTensor(shape.slice(1), data);
    };
    let sample = row(samples, 0);
    for (const index of run.timesteps.keys()) {
      const output = row(outputs, index);
      const before = [sample.data.slice(), output.data.slice()];
      run.scaleInput(sample, index);
      const next = run.step(index, sample, output, noNoise);
      assert.deepEqual([sample.data, output.data], before);
      assertClose(next, row(samples, index + 1), atol, atol);
      sample = next;
    }
  });

  it("starts anew each time", async () => {
    const scheduler = await open();
    const draw = (): FloatTensor => {
      const run = scheduler.start(3);
      let sample = floatTensor([2], Float32Array.of(run.initialScale, -0.5));
      for (const index of run.timesteps.keys()) {
        sample = run.step(index, sample, run.scaleInput(sample, index), () => floatTensor([2]));
      }
      return sample;
    };
    assert.deepEqual(draw(), draw());
  });

  it("goes from noisy to clean for any number of steps", async () => {
    const scheduler = await open();
    for (const count of [1, 2, 28, 50]) {
      const { timesteps, initialScale } = scheduler.start(count);
      assert.ok(timesteps.length >= count && initialScale > 0);
      for (const [i, timestep] of timesteps.entries()) {
        assert.ok(timestep >= 0 && timestep <= scheduler.trainTimesteps);
        assert.ok(i === 0 || timestep <= (timesteps[i - 1] ?? 0));
      }
    }
  });

  it("refuses a number of steps that is none", async () => {
    const scheduler = await open();
    for (const count of [0, -1, 2.5, Number.NaN]) assert.throws(() => scheduler.start(count), UsageError);
  });

  it("shares noise of one row among all rows, and refuses other shapes", async () => {
    const scheduler = await open();
    const clean = floatTensor([2, 3], Float32Array.of(1, 2, 3, -4, -5, -6));
    const noise = floatTensor([1, 3], Float32Array.of(0.5, -1, 2));
    const both = floatTensor([2, 3], Float32Array.of(0.5, -1, 2, 0.5, -1, 2));
    const timestep = Math.floor(scheduler.trainTimesteps / 2);
    assert.deepEqual(scheduler.addNoise(clean, noise, timestep), scheduler.addNoise(clean, both, timestep));
    assert.throws(() => scheduler.addNoise(clean, floatTensor([3]), timestep), RangeError);
    assert.throws(() => scheduler.addNoise(clean, floatTensor([3, 3]), timestep), RangeError);
  });
}
