import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { InterruptedError } from "../core/errors.js";
import { concatRows, type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { flowMatchEuler, type SchedulerRun } from "../schedulers/index.js";
import { openTiny } from "../testing/pipelines/support.js";
import { assertClose, noNoise, parity, readTensors } from "../testing/schedulers/contract.js";
import { type Predict, runSteps } from "./run-steps.js";
import { Sampler } from "./sample.js";

describe("runSteps", () => {
  const run = flowMatchEuler({}).start(4);
  const start = run.begin(floatTensor([2], Float32Array.of(1, -2)));
  const predict: Predict = async ({ shape, data }, timestep) =>
    floatTensor(
      shape,
      data.map((x) => x * Math.cos(timestep)),
    );

  it("returns the same result from any state of a run", async () => {
    const states = [start];
    const keep = (state: typeof start) => {
      states.push(state);
      return state;
    };
    const end = await runSteps(run, start, { predict, drawNoise: noNoise, afterStep: keep });
    assert.deepEqual(
      states.map(({ index }) => index),
      [0, 1, 2, 3, 4],
    );
    for (const state of states) {
      assert.deepEqual(await runSteps(run, structuredClone(state), { predict, drawNoise: noNoise }), end);
    }
  });

  it("continues from the state that afterStep returns", async () => {
    const seen: FloatTensor[] = [];
    const replaced = floatTensor([2], Float32Array.of(5, 5));
    const end = await runSteps(run, start, {
      predict: async (input) => {
        seen.push(input);
        return floatTensor([2]);
      },
      drawNoise: noNoise,
      afterStep: (state) => (state.index === 2 ? { ...state, sample: replaced } : state),
    });
    assert.deepEqual(seen, [start.sample, start.sample, replaced, replaced]);
    assert.deepEqual(end.sample, replaced);
  });

  it("stops before the next evaluation if the signal is aborted", async () => {
    const stop = new AbortController();
    let evaluations = 0;
    const stopping: Predict = async (input) => {
      if (++evaluations === 2) stop.abort();
      return input;
    };
    await assert.rejects(
      runSteps(run, start, { predict: stopping, drawNoise: noNoise, signal: stop.signal }),
      InterruptedError,
    );
    assert.equal(evaluations, 2);
  });
});

describe("DDIM inversion", () => {
  it("agrees with diffusers' DDIMInverseScheduler and DDIMScheduler", async () => {
    const tensor = await readTensors(join(parity, "../schedulers/invert-sd15.safetensors"));
    const pipeline = await openTiny("sd15");
    const { conditioning } = await pipeline.encodePrompts(["a red cube on top of a blue sphere"]);
    const options = { images: 1, latentShape: [4, 16, 16], guided: false, softTokens: null };
    const sampler = await Sampler.open(pipeline, options);
    const predict = sampler.predictor({ conditioning, negative: null, guidanceScale: 1 });
    const samplesOf = async (run: SchedulerRun, sample: FloatTensor) => {
      const samples = [sample];
      await runSteps(run, run.begin(sample), {
        predict,
        drawNoise: noNoise,
        afterStep(state) {
          samples.push(state.sample);
          return state;
        },
      });
      const { shape, data } = concatRows(samples);
      return floatTensor([shape[0] ?? 0, 1, ...shape.slice(1)], data);
    };
    const row = (all: FloatTensor, index: number) => floatTensor([1, 4, 16, 16], rows(all, index, index + 1).data);
    const [source, noisy] = [tensor("samples"), tensor("reconstruction_samples")];
    const inverse = pipeline.scheduler.startInverse(10);
    assert.deepEqual(Float32Array.from(inverse.timesteps), tensor("timesteps").data);
    assertClose(await samplesOf(inverse, row(source, 0)), source, 5e-4, 1e-3);
    assertClose(await samplesOf(pipeline.scheduler.start(10), row(noisy, 0)), noisy, 5e-4, 1e-3);
    await sampler.release();
  });
});
