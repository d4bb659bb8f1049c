import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { InputError, RuntimeFailure } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { openDataSet } from "../data/data-set.js";
import { softRepa } from "../objectives/softrepa.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { firstOf, someOf } from "../testing/core/repetitions.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { largestDifference, openTiny } from "../testing/pipelines/support.js";
import { type TrainStep, train } from "./train.js";
import type { TrainingState } from "./training-state.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-train-"));
after(() => rm(folder, { recursive: true, force: true }));
await writeTestImages(folder);

describe("train", async () => {
  const pipeline = await openTiny("sd3");
  const { items } = await openDataSet(folder);
  const pools = [{ items, share: 1 }];
  const objective = softRepa({ temperature: 1, scale: 4, dweight: 0 });
  const settings = {
    batch: 3,
    steps: 4,
    learningRate: 0.01,
    weightDecay: 1e-4,
    restartPeriod: 2,
    schedulerEvery: 1,
    minimumLearningRate: 0,
    seed: 5,
    resolution: 32,
  };
  const base = { ...settings, pools, objective };
  const start = (): SoftTokens =>
    initialSoftTokens(
      pipeline.softTokenLayout,
      { layers: 1, count: 2, buckets: 5, width: "projected" },
      new Generator(1),
    );
  /** Trains new tokens; returns them with all steps. */
  const run = async (changes: Partial<typeof settings> = {}, signal?: AbortSignal) => {
    const tokens = start();
    const steps: TrainStep[] = [];
    const onStep = (step: TrainStep) => {
      steps.push(step);
    };
    const done = await train(pipeline, { ...base, softTokens: tokens, ...changes, onStep, signal });
    return { tokens, steps, done };
  };
  const whole = await run();

  it("reports every step, with learning rates that restart", () => {
    assert.equal(whole.done, 4);
    assert.deepEqual(
      whole.steps.map(({ step, learningRate }) => [step, Number(learningRate.toPrecision(6))]),
      [
        [1, 0.01],
        [2, 0.005],
        [3, 0.01],
        [4, 0.005],
      ],
    );
    for (const { loss, rank1, timestep } of whole.steps) {
      assert.ok(Number.isFinite(loss) && rank1 !== null && rank1 >= 0 && rank1 <= 1 && Number.isInteger(timestep));
    }
  });

  it("changes the tokens, and returns the same ones for the same seed", async () => {
    assert.ok(largestDifference(whole.tokens.tokens, start().tokens) > 1e-3);
    assert.deepEqual((await run()).tokens, whole.tokens);
    assert.ok(largestDifference((await run({ seed: 6, steps: 1 })).tokens.tokens, whole.tokens.tokens) > 1e-4);
  });

  it("returns nearly the same tokens with one pair per run", async () => {
    const tokens = start();
    await train(pipeline, { ...base, softTokens: tokens, plan: { pairsPerRun: 1 } });
    assert.ok(largestDifference(tokens.tokens, whole.tokens.tokens) < 1e-4);
  });

  it("keeps the tokens of the last finished step when it is stopped", async () => {
    const stop = new AbortController();
    const tokens = start();
    const done = await train(pipeline, {
      ...base,
      softTokens: tokens,
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 2) stop.abort();
      },
    });
    assert.equal(done, 2);
    assert.deepEqual(tokens, (await run({ steps: 2 })).tokens);
  });

  it("resumes from any step with bit-identical results", async () => {
    const long = { steps: 9, schedulerEvery: 2 };
    const augmentation = { crop: "random", flip: true } as const;
    const all = { ...base, ...long, augmentation };
    const uninterrupted = start();
    const states: TrainingState[] = [];
    const snapshots: SoftTokens[] = [];
    const steps: TrainStep[] = [];
    await train(pipeline, {
      ...all,
      softTokens: uninterrupted,
      onStep: (step, state) => {
        steps.push(step);
        states.push(structuredClone(state));
        snapshots.push(structuredClone(uninterrupted));
      },
    });
    for (const [index, state] of someOf([...states.entries()])) {
      const tokens = structuredClone(at(snapshots, index));
      const resumed: TrainStep[] = [];
      const onStep = (step: TrainStep) => {
        resumed.push(step);
      };
      assert.equal(await train(pipeline, { ...all, softTokens: tokens, onStep, from: state }), 9);
      assert.deepEqual(resumed, steps.slice(index + 1));
      assert.deepEqual(tokens, uninterrupted, `from step ${state.step}`);
    }
    const { seed } = settings;
    const other = { ...all, seed: seed + 1 };
    await assert.rejects(() => train(pipeline, { ...other, softTokens: start(), from: states[3] }), InputError);
  });

  it("returns the same tokens for any window of encodings, also when it resumes within one", async () => {
    const all = { ...base, steps: 7, augmentation: { crop: "random", flip: true } } as const;
    const uninterrupted = start();
    const states: TrainingState[] = [];
    const snapshots: SoftTokens[] = [];
    const onStep = (_: TrainStep, state: TrainingState) => {
      states.push(structuredClone(state));
      snapshots.push(structuredClone(uninterrupted));
    };
    await train(pipeline, { ...all, softTokens: uninterrupted, captionWindow: 1, onStep });
    for (const captionWindow of firstOf([2, 3, 100])) {
      const tokens = start();
      await train(pipeline, { ...all, softTokens: tokens, captionWindow });
      assert.deepEqual(tokens, uninterrupted, `a window of ${captionWindow}`);
    }
    for (const [done, captionWindow] of firstOf([
      [1, 3],
      [4, undefined],
      [5, 2],
    ] as const)) {
      const tokens = structuredClone(at(snapshots, done - 1));
      await train(pipeline, { ...all, softTokens: tokens, captionWindow, from: at(states, done - 1) });
      assert.deepEqual(tokens, uninterrupted, `from step ${done} with a window of ${captionWindow}`);
    }
  });

  it("stops while encoding a window, after the last finished step", async () => {
    const stop = new AbortController();
    const tokens = start();
    let windows = 0;
    const onEncoded = (done: number) => {
      if (done === 1 && ++windows === 2) stop.abort();
    };
    const hooks = { signal: stop.signal, onEncoded };
    const done = await train(pipeline, { ...base, softTokens: tokens, captionWindow: 2, ...hooks });
    assert.equal(done, 2);
    assert.deepEqual(tokens, (await run({ steps: 2 })).tokens);
  });

  it("calls onStart only after the first batch is read", async () => {
    const order: string[] = [];
    const hooks = { onStart: () => void order.push("start"), onStep: () => void order.push("step") };
    await train(pipeline, { ...base, softTokens: start(), steps: 2, ...hooks });
    assert.deepEqual(order, ["start", "step", "step"]);
    const broken = items.map((item) => ({ ...item, read: async () => Uint8Array.of(1) }));
    const bad = [{ items: broken, share: 1 }];
    await assert.rejects(() => train(pipeline, { ...base, pools: bad, softTokens: start(), ...hooks }), InputError);
    assert.equal(order.length, 3);
  });

  it("does nothing if the signal is aborted before it starts", async () => {
    const { done, tokens, steps } = await run({}, AbortSignal.abort());
    assert.deepEqual([done, steps], [0, []]);
    assert.deepEqual(tokens, start());
  });

  it("reports the step and the images when the loss is not finite", async () => {
    const tokens = start();
    tokens.tokens.data[0] = Number.NaN;
    await assert.rejects(
      () => train(pipeline, { ...base, softTokens: tokens }),
      (error) =>
        error instanceof RuntimeFailure &&
        /^the loss became NaN at step 1 \(timestep \d+, images .*\.png, .*\.png, .*\.png\)$/.test(error.message),
    );
  });

  it("throws errors of hooks and of data sets that are too small", async () => {
    const fault = new Error("disk full");
    const onStep = () => Promise.reject(fault);
    await assert.rejects(() => train(pipeline, { ...base, softTokens: start(), onStep }), fault);
    const few = items.slice(0, 2);
    await assert.rejects(
      () => train(pipeline, { ...base, pools: [{ items: few, share: 1 }], softTokens: start() }),
      InputError,
    );
  });
});
