/** @file The contract tests that every scheduler runs. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UsageError } from "../../core/errors.js";
import { type FloatTensor, floatTensor, rows } from "../../core/tensor.js";
import type { NoiseLevel } from "../../schedulers/noise-level.js";
import { noisySample } from "../../schedulers/noisy-sample.js";
import type { DrawNoise, RunState, Scheduler, SchedulerRun } from "../../schedulers/scheduler.js";

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
    const [start, end] = entry.data_offsets;
    const data = Uint8Array.from(bytes.subarray(dataStart + start, dataStart + end));
    return floatTensor(entry.shape, new Float32Array(data.buffer));
  };
}

export function assertClose(actual: FloatTensor, expected: FloatTensor, atol: number, rtol: number): void {
  assert.deepEqual(actual.shape, expected.shape);
  expected.data.forEach((value, i) => {
    const found = actual.data[i] ?? Number.NaN;
    assert.ok(Math.abs(found - value) <= atol + rtol * Math.abs(value), `[${i}]: ${found}, expected ${value}`);
  });
}

/** For schedulers that add no noise. */
export const noNoise: DrawNoise = () => assert.fail("noise was requested");

/** Maps a sample at a noise level to the model's output. */
type Model = (sample: FloatTensor, level: NoiseLevel) => FloatTensor;

/** Continues from `state` to the end of the run. */
export function finish(run: SchedulerRun, state: RunState, model: Model, drawNoise: DrawNoise = noNoise): RunState {
  let current = state;
  for (const level of run.levels.slice(state.index, run.timesteps.length)) {
    current = run.step(current, model(current.sample, level), drawNoise);
  }
  return current;
}

const vector = (...values: readonly number[]) => floatTensor([values.length], Float32Array.from(values));

/** `golden` is a file with timesteps, model outputs and the sample after each step. */
export function checkScheduler(open: () => Promise<Scheduler>, golden: string, steps: number, atol: number): void {
  it("returns the golden timesteps and samples without modifying its inputs", async () => {
    const tensor = await readTensors(golden);
    const [outputs, samples] = [tensor("model_outputs"), tensor("samples")];
    const run = (await open()).start(steps);
    assertClose(vector(...run.timesteps), tensor("timesteps"), 0, 0);
    const row = (all: FloatTensor, i: number): FloatTensor => {
      const { shape, data } = rows(all, i, i + 1);
      return floatTensor(shape.slice(1), data);
    };
    let state = run.begin(row(samples, 0));
    for (const index of run.timesteps.keys()) {
      const output = row(outputs, index);
      const before = structuredClone({ state, output });
      run.modelInput(state);
      const next = run.step(state, output, noNoise);
      assert.deepEqual({ state, output }, before);
      assertClose(next.sample, row(samples, index + 1), atol, atol);
      state = next;
    }
    assert.throws(() => run.step(state, row(outputs, 0), noNoise), RangeError);
  });

  it("keeps no state between runs", async () => {
    const scheduler = await open();
    const sampled = () => {
      const run = scheduler.start(3);
      return finish(run, run.begin(vector(run.initialScale, -0.5)), (sample) => sample);
    };
    assert.deepEqual(sampled(), sampled());
  });

  it("goes from noisy to clean levels for any number of steps", async () => {
    const scheduler = await open();
    for (const count of [1, 2, 28, 50]) {
      const { timesteps, levels, initialScale } = scheduler.start(count);
      assert.ok(timesteps.length >= count && initialScale > 0);
      assert.equal(levels.length, timesteps.length + 1);
      for (const [i, timestep] of timesteps.entries()) {
        assert.ok(timestep >= 0 && timestep <= scheduler.trainTimesteps);
        assert.ok(i === 0 || timestep <= (timesteps[i - 1] ?? 0));
      }
      const sigmas = levels.map(({ sigma }) => sigma);
      assert.deepEqual(
        sigmas,
        sigmas.toSorted((a, b) => b - a),
      );
    }
  });

  it("rejects a number of steps that is not a positive integer", async () => {
    const scheduler = await open();
    for (const count of [0, -1, 2.5, Number.NaN]) {
      assert.throws(() => scheduler.start(count), UsageError);
      assert.throws(() => scheduler.startInverse(count), UsageError);
    }
  });

  it("continues from a copy of any state", async () => {
    const run = (await open()).start(steps);
    const model: Model = ({ shape, data }, { sigma }) =>
      floatTensor(
        shape,
        data.map((x) => Math.sin(3 * x + sigma)),
      );
    const end = finish(run, run.begin(vector(0.5, -1)), model);
    let state = run.begin(vector(0.5, -1));
    for (const level of run.levels.slice(0, -1)) {
      assert.deepEqual(finish(run, structuredClone(state), model), end);
      state = run.step(state, model(state.sample, level), noNoise);
    }
  });

  it("starts at any step, with a first-order step", async () => {
    const scheduler = await open();
    const whole = scheduler.start(steps);
    const [sample, output] = [vector(0.3, -1.2), vector(-0.7, 0.4)];
    for (let from = 1; from < steps; from++) {
      const run = scheduler.start(steps, { from });
      const index = whole.timesteps.lastIndexOf(run.timesteps[0] ?? Number.NaN);
      assert.deepEqual(run.levels.slice(-2), whole.levels.slice(-2));
      assert.deepEqual(run.levels[0], whole.levels[index]);
      const next = run.step(run.begin(sample), output, noNoise);
      assert.deepEqual(next.sample, whole.step({ index, sample, history: [] }, output, noNoise).sample);
    }
    assert.deepEqual(scheduler.start(steps, { from: 0 }).timesteps, whole.timesteps);
    const none = scheduler.start(steps, { from: steps });
    assert.deepEqual([none.timesteps, none.levels], [[], []]);
    for (const from of [-1, 0.5, steps + 1, Number.NaN]) {
      assert.throws(() => scheduler.start(steps, { from }), UsageError);
      assert.throws(() => scheduler.startInverse(steps, { from }), UsageError);
    }
  });

  it("inverts a run along the same steps, and returns", async () => {
    const scheduler = await open();
    const constant: Model = () => vector(0.8, -0.3, 0.1);
    const clean = vector(0.5, -1, 2);
    for (const from of [0, 2, steps - 1]) {
      const [run, inverse] = [scheduler.start(steps, { from }), scheduler.startInverse(steps, { from })];
      assert.deepEqual(inverse.timesteps, [...new Set(run.timesteps)].reverse());
      assert.deepEqual([inverse.levels.at(0), inverse.levels.at(-1)], [run.levels.at(-1), run.levels.at(0)]);
      const noisy = finish(inverse, inverse.begin(clean), constant);
      assert.ok(noisy.sample.data.some((x, i) => Math.abs(x - (clean.data[i] ?? 0)) > 1e-3));
      assertClose(finish(run, run.begin(noisy.sample), constant).sample, clean, 1e-5, 1e-5);
    }
  });

  /**
   * For normal data x_0 = mean + deviation * z, the optimal estimates are linear in the sample, and
   * (sample - signal mean) / sqrt(signal^2 deviation^2 + noise^2) is constant along the paths from noise to data.
   */
  it("follows the paths of a normal distribution in both directions and from any step", async () => {
    const scheduler = await open();
    const [mean, deviation] = [0.6, 0.5];
    const spread = ({ signal, noise }: NoiseLevel) => Math.hypot(signal * deviation, noise);
    const model: Model = ({ shape, data }, level) => {
      const target = scheduler.parametrisation.target(level);
      return floatTensor(
        shape,
        data.map((x) => {
          const rest = (x - level.signal * mean) / spread(level) ** 2;
          return target.clean * (mean + level.signal * deviation ** 2 * rest) + target.noise * level.noise * rest;
        }),
      );
    };
    const on = (level: NoiseLevel | undefined) => {
      assert.ok(level);
      return vector(...[-1, 0.5, 2].map((z) => level.signal * mean + spread(level) * z));
    };
    const errors = [20, 80].map((count) =>
      [0, count / 2].flatMap((from) =>
        [scheduler.start(count, { from }), scheduler.startInverse(count, { from })].map((run) => {
          const { data } = finish(run, run.begin(on(run.levels[0])), model).sample;
          const last = run.levels.at(-1);
          assert.ok(last);
          return Math.max(...on(last).data.map((x, i) => Math.abs(x - (data[i] ?? 0)))) / spread(last);
        }),
      ),
    );
    const [coarse = [], fine = []] = errors;
    for (const [i, error] of fine.entries()) {
      assert.ok(error < 0.08 && error < (coarse[i] ?? 0) / 2.5, `80 steps: ${fine}, 20 steps: ${coarse}`);
    }
  });

  it("broadcasts noise of one row, and rejects other shapes", async () => {
    const scheduler = await open();
    const run = scheduler.start(steps);
    const clean = floatTensor([2, 3], Float32Array.of(1, 2, 3, -4, -5, -6));
    const noise = floatTensor([1, 3], Float32Array.of(0.5, -1, 2));
    const both = floatTensor([2, 3], Float32Array.of(0.5, -1, 2, 0.5, -1, 2));
    const timestep = Math.floor(scheduler.trainTimesteps / 2);
    for (const noised of [
      (eps: FloatTensor) => noisySample(scheduler, clean, eps, timestep),
      (eps: FloatTensor) => run.addNoise(clean, eps, 1),
    ]) {
      assert.deepEqual(noised(noise), noised(both));
      assert.throws(() => noised(floatTensor([3])), RangeError);
      assert.throws(() => noised(floatTensor([3, 3])), RangeError);
    }
  });

  it("adds noise at the level of any step", async () => {
    const run = (await open()).start(steps);
    const [clean, noise] = [vector(2, -1), vector(-0.5, 3)];
    for (const [index, { signal, noise: sigma }] of run.levels.entries()) {
      const expected = vector(2 * signal - 0.5 * sigma, -signal + 3 * sigma);
      assertClose(run.addNoise(clean, noise, index), expected, 1e-6, 1e-6);
    }
    assert.deepEqual(run.addNoise(clean, noise), run.addNoise(clean, noise, 0));
    assert.throws(() => run.addNoise(clean, noise, run.levels.length), RangeError);
  });
}
