import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { floatTensor } from "../../core/tensor.js";
import { type Candidates, inBatch, matchedCaption } from "../../objectives/candidates.js";
import { executionPlan } from "../../objectives/execution-plan.js";
import { openTiny } from "../../testing/pipelines/support.js";
import { fitRun, type RunConstraints } from "./fit.js";
import { defaultCacheBytes, planMemory, type RunSizes } from "./memory.js";
import { planTime } from "./time.js";

describe("fitRun", async () => {
  const pipeline = await openTiny("sd3");
  const sizes: Omit<RunSizes, "plan" | "cacheBytes"> = {
    ...{
      objective: { candidates: inBatch() },
      batch: 6,
      resolution: 64,
      heldOut: 0,
      sampleSize: null,
      images: 1e6,
      captions: 1e6,
    },
    softTokens: { shape: [2, 2, 32], stages: null },
  };
  const machine = { resident: 0, available: 1e12 };
  const withoutRepacking = { repack: "never" } as const satisfies Partial<RunConstraints>;
  const planned = (pairsPerRun: number, checkpoints: boolean, cacheBytes = 0) =>
    planMemory(pipeline, { ...sizes, plan: executionPlan(pairsPerRun, { checkpoints }), cacheBytes }, 0).total;
  const total = (pairsPerRun: number) => planned(pairsPerRun, true);

  it("reduces the pairs per run until they fit", () => {
    assert.ok(total(1) < total(2) && total(2) < total(3) && total(3) < total(6));
    for (const [limit, pairsPerRun] of [
      [total(6), 6],
      [total(6) - 1, 3],
      [total(2) + 5, 2],
      [total(1), 1],
    ] as const) {
      const fitted = fitRun(pipeline, sizes, { ...withoutRepacking, checkpoints: "always", limit }, machine);
      assert.deepEqual([fitted.plan.pairsPerRun, fitted.plan.checkpoints], [pairsPerRun, true]);
      assert.ok(fitted.memory.total <= limit);
      assert.equal(fitted.cacheBytes, limit - total(pairsPerRun));
    }
  });
  it("uses activation checkpointing only if activations and some encodings do not fit", () => {
    const kept = planned(6, false);
    assert.ok(kept > total(6));
    const chosen = (limit: number, checkpoints: "auto" | "never" = "auto") => {
      const { plan, memory } = fitRun(pipeline, sizes, { ...withoutRepacking, checkpoints, limit }, machine);
      assert.ok(memory.total <= limit);
      return [plan.pairsPerRun, plan.checkpoints];
    };
    assert.deepEqual(chosen((8 / 7) * kept + 8), [6, false]);
    assert.deepEqual(chosen(kept + 8), [6, true]);
    assert.deepEqual(chosen(total(6)), [6, true]);
    assert.deepEqual(chosen(total(6) - 1), [3, true]);
    assert.deepEqual(chosen(planned(1, false), "never"), [1, false]);
  });
  it("uses half of the available memory without a limit", () => {
    const kept = planned(6, false, defaultCacheBytes);
    const chosen = (available: number, checkpoints: "auto" | "always" | "never" = "auto", resident = 0) => {
      const fitted = fitRun(pipeline, sizes, { ...withoutRepacking, checkpoints }, { resident, available });
      assert.equal(fitted.cacheBytes, defaultCacheBytes);
      return [fitted.plan.pairsPerRun, fitted.plan.checkpoints];
    };
    assert.deepEqual(chosen(2 * kept), [6, false]);
    // Memory of the process itself is no longer available.
    assert.deepEqual(chosen(2 * kept, "auto", 1e9), [6, false]);
    assert.deepEqual(chosen(2 * kept - 2), [6, true]);
    assert.deepEqual(chosen(0), [6, true]);
    assert.deepEqual(chosen(1e12, "always"), [6, true]);
    assert.deepEqual(chosen(2 * kept - 2, "never"), [3, false]);
    assert.deepEqual(chosen(0, "never"), [1, false]);
  });
  it("keeps explicit settings, and states the required memory", () => {
    const fitted = (pairsPerRun: number | undefined, limit: number, checkpoints: "auto" | "never" = "auto") =>
      fitRun(pipeline, sizes, { ...withoutRepacking, pairsPerRun, checkpoints, limit }, machine);
    assert.equal(fitted(2, total(6)).plan.pairsPerRun, 2);
    assert.throws(
      () => fitted(undefined, total(1) - 1),
      /^InputError: `memory` \d+ [MK]B is too little: .* at least \d+ [MK]B, with 1 pair per run, activation checkpointing and/,
    );
    assert.throws(() => fitted(3, total(2)), /with 3 pairs per run/);
    assert.throws(() => fitted(1, 1e6, "never"), /activations kept and .*or `checkpoints` always$/);
  });
  it("repacks weights if the copies fit", () => {
    const all = (repackWeights: boolean) => {
      const plan = executionPlan(6, { checkpoints: false, repackWeights });
      return planMemory(pipeline, { ...sizes, plan, cacheBytes: defaultCacheBytes }, 0);
    };
    const [repacked, plain] = [all(true), all(false)];
    assert.ok(repacked.copies > 0 && plain.copies === 0 && repacked.weights < plain.weights);
    assert.ok(repacked.total > plain.total);
    const chosen = (available: number, repack: RunConstraints["repack"] = "auto") =>
      fitRun(pipeline, sizes, { checkpoints: "never", repack }, { resident: 0, available }).plan.repackWeights;
    assert.equal(chosen(2 * repacked.total), true);
    assert.equal(chosen(2 * repacked.total - 2), false);
    assert.equal(chosen(0, "always"), true);
    assert.equal(chosen(1e12, "never"), false);
    const tooLittle = { checkpoints: "always", repack: "always", limit: 1e6 } as const;
    assert.throws(() => fitRun(pipeline, sizes, tooLittle, machine), /repacked weights and .*, or `repack` never$/);
  });
  it("includes the forward pass for targets", () => {
    const plan = executionPlan(2);
    const { objective, ...rest } = { ...sizes, plan, cacheBytes: 0 };
    const plain = planMemory(pipeline, { ...rest, objective }, 0);
    const targets = () => floatTensor([0]);
    const more = planMemory(pipeline, { ...rest, objective: { ...objective, targets } }, 0);
    assert.ok(more.sessions > 1.2 * plain.sessions && more.activations > plain.activations);
    const seconds = (run: RunSizes) => planTime(pipeline, run, 1, 1e9).secondsPerStep;
    const ratio = seconds({ ...rest, objective: { ...objective, targets } }) / seconds({ ...rest, objective });
    assert.ok(ratio > 1.1 && ratio < 1.6, `${ratio}`);
  });
  it("runs a whole row together, or the whole batch if rows have one pair", () => {
    const runs = (candidates: Candidates) =>
      fitRun(pipeline, { ...sizes, objective: { candidates } }, { ...withoutRepacking, checkpoints: "never" }, machine)
        .plan;
    assert.deepEqual(
      [inBatch(), inBatch(2), matchedCaption()].map((candidates) => runs(candidates).pairsPerRun),
      [6, 3, 6],
    );
  });
  it("includes the graphs of validation and samples", () => {
    const smallest = { ...sizes, plan: executionPlan(1), cacheBytes: 0 };
    const more = planMemory(pipeline, { ...smallest, heldOut: 6, sampleSize: 64 }, 0);
    const less = planMemory(pipeline, smallest, 0);
    assert.ok(
      more.sessions > 1.5 * less.sessions && more.activations > less.activations && more.weights > less.weights,
    );
    assert.equal(more.caches, 6 * 4 * (pipeline.latentChannels * (64 / pipeline.vaeScaleFactor) ** 2 + sizesOfText()));
  });
  const sizesOfText = () =>
    Object.values(pipeline.conditioningShapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
});
