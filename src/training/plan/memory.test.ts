import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { floatTensor } from "../../core/tensor.js";
import { type Candidates, inBatch, ownCaption } from "../../objectives/candidates.js";
import { executionPlan } from "../../objectives/execution-plan.js";
import { openTiny } from "../../testing/pipelines/support.js";
import { fitRun, type RunConstraints } from "./fit.js";
import { defaultCacheBytes, planMemory, type RunSizes } from "./memory.js";
import { planTime } from "./time.js";

const measuredSchema = z.object({ foretold: z.number(), took: z.number() });

const folder = await mkdtemp(join(tmpdir(), "softrepa-plan-"));
after(() => rm(folder, { recursive: true, force: true }));

const transformer = {
  ...{ _class_name: "SD3Transformer2DModel", sample_size: 64, patch_size: 2, in_channels: 16, out_channels: 16 },
  ...{ num_layers: 4, attention_head_dim: 64, num_attention_heads: 4, joint_attention_dim: 256 },
  ...{ caption_projection_dim: 256, pooled_projection_dim: 128, pos_embed_max_size: 96 },
  ...{ dual_attention_layers: [], qk_norm: null },
};

const unet = {
  ...{ _class_name: "UNet2DConditionModel", sample_size: 64, in_channels: 4, out_channels: 4, layers_per_block: 1 },
  ...{ block_out_channels: [32, 64], cross_attention_dim: 64, attention_head_dim: 4, act_fn: "silu" },
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  ...{ norm_num_groups: 32, norm_eps: 1e-5, flip_sin_to_cos: true, freq_shift: 0 },
};

const wide = { ...unet, block_out_channels: [256, 512] };

const cases = {
  transformer: { config: transformer, pairs: 4, side: 32, softTokens: [4, 4, 256] },
  unet: { config: unet, pairs: 4, side: 32, softTokens: [1, 4, 64] },
  "wide unet": { config: wide, pairs: 1, side: 8, softTokens: [1, 4, 64] },
} as const;

/** What one training graph was foretold to take and took, in a process of its own. */
async function measured(
  name: keyof typeof cases,
  options: { gradients: boolean; hiddenShapes: boolean; checkpoints: boolean; repackWeights?: boolean },
) {
  const main = fileURLToPath(new URL("../../testing/training/measure-main.js", import.meta.url));
  const told = JSON.stringify({ folder, ...cases[name], repackWeights: false, ...options });
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", main, told], { timeout: 600_000 });
  return measuredSchema.parse(JSON.parse(stdout));
}

describe("memory of a graph", { skip: process.platform !== "linux" && "measured through /proc" }, () => {
  for (const name of ["transformer", "unet"] as const) {
    for (const checkpoints of [true, false]) {
      it(`is foretold: ${name}, activations ${checkpoints ? "computed twice" : "kept"}`, async () => {
        const { foretold, took } = await measured(name, { gradients: true, hiddenShapes: true, checkpoints });
        assert.ok(took > 0.6 * foretold && took < 1.3 * foretold, `${name}: ${foretold} foretold, ${took} taken`);
      });
    }
  }
  it("is foretold: copies of weights", async () => {
    const options = { gradients: true, hiddenShapes: true, checkpoints: false } as const;
    const { foretold, took } = await measured("wide unet", { ...options, repackWeights: true });
    assert.ok(took > 0.6 * foretold && took < 1.3 * foretold, `${foretold} foretold, ${took} taken`);
    const { took: without } = await measured("wide unet", options);
    assert.ok(took > 2 * without, `${took} with copies, ${without} without`);
  });
  it("is much larger where shapes are known", async () => {
    const hidden = await measured("unet", { gradients: true, hiddenShapes: true, checkpoints: true });
    const known = await measured("unet", { gradients: true, hiddenShapes: false, checkpoints: true });
    assert.ok(known.took > 1.3 * hidden.took, `${known.took} against ${hidden.took}`);
  });
});

describe("a limit of memory", async () => {
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
  const mapped = { repack: "never" } as const satisfies Partial<RunConstraints>;
  const planned = (pairsPerRun: number, checkpoints: boolean, cacheBytes = 0) =>
    planMemory(pipeline, { ...sizes, plan: executionPlan(pairsPerRun, { checkpoints }), cacheBytes }, 0).total;
  const total = (pairsPerRun: number) => planned(pairsPerRun, true);

  it("lowers the pairs a run until they fit", () => {
    assert.ok(total(1) < total(2) && total(2) < total(3) && total(3) < total(6));
    for (const [limit, pairsPerRun] of [
      [total(6), 6],
      [total(6) - 1, 3],
      [total(2) + 5, 2],
      [total(1), 1],
    ] as const) {
      const fitted = fitRun(pipeline, sizes, { ...mapped, checkpoints: "always", limit }, machine);
      assert.deepEqual([fitted.plan.pairsPerRun, fitted.plan.checkpoints], [pairsPerRun, true]);
      assert.ok(fitted.memory.total <= limit);
      assert.equal(fitted.cacheBytes, limit - total(pairsPerRun));
    }
  });
  it("computes activations twice only where they cannot be kept beside some encodings", () => {
    const kept = planned(6, false);
    assert.ok(kept > total(6));
    const chosen = (limit: number, checkpoints: "auto" | "never" = "auto") => {
      const { plan, memory } = fitRun(pipeline, sizes, { ...mapped, checkpoints, limit }, machine);
      assert.ok(memory.total <= limit);
      return [plan.pairsPerRun, plan.checkpoints];
    };
    assert.deepEqual(chosen((8 / 7) * kept + 8), [6, false]);
    assert.deepEqual(chosen(kept + 8), [6, true]);
    assert.deepEqual(chosen(total(6)), [6, true]);
    assert.deepEqual(chosen(total(6) - 1), [3, true]);
    assert.deepEqual(chosen(planned(1, false), "never"), [1, false]);
  });
  it("goes by half of what the system has available where no limit is given", () => {
    const kept = planned(6, false, defaultCacheBytes);
    const chosen = (available: number, checkpoints: "auto" | "always" | "never" = "auto", resident = 0) => {
      const fitted = fitRun(pipeline, sizes, { ...mapped, checkpoints }, { resident, available });
      assert.equal(fitted.cacheBytes, defaultCacheBytes);
      return [fitted.plan.pairsPerRun, fitted.plan.checkpoints];
    };
    assert.deepEqual(chosen(2 * kept), [6, false]);
    // What the process has already is no longer available.
    assert.deepEqual(chosen(2 * kept, "auto", 1e9), [6, false]);
    assert.deepEqual(chosen(2 * kept - 2), [6, true]);
    assert.deepEqual(chosen(0), [6, true]);
    assert.deepEqual(chosen(1e12, "always"), [6, true]);
    assert.deepEqual(chosen(2 * kept - 2, "never"), [3, false]);
    assert.deepEqual(chosen(0, "never"), [1, false]);
  });
  it("keeps what was chosen, and says the least that is needed", () => {
    const fitted = (pairsPerRun: number | undefined, limit: number, checkpoints: "auto" | "never" = "auto") =>
      fitRun(pipeline, sizes, { ...mapped, pairsPerRun, checkpoints, limit }, machine);
    assert.equal(fitted(2, total(6)).plan.pairsPerRun, 2);
    assert.throws(
      () => fitted(undefined, total(1) - 1),
      /^InputError: `memory` \d+ [MK]B is too little: .* at least \d+ [MK]B, with 1 pair a run, activations computed twice and/,
    );
    assert.throws(() => fitted(3, total(2)), /with 3 pairs a run/);
    assert.throws(() => fitted(1, 1e6, "never"), /activations kept and .*or `checkpoints` always$/);
  });
  it("copies weights where they fit beside the rest", () => {
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
    assert.throws(() => fitRun(pipeline, sizes, tooLittle, machine), /weights repacked and .*, or `repack` never$/);
  });
  it("counts the forward pass that targets take", () => {
    const plan = executionPlan(2);
    const { objective, ...rest } = { ...sizes, plan, cacheBytes: 0 };
    const plain = planMemory(pipeline, { ...rest, objective }, 0);
    const targets = () => floatTensor([0]);
    const more = planMemory(pipeline, { ...rest, objective: { ...objective, targets } }, 0);
    assert.ok(more.sessions > 1.2 * plain.sessions && more.activations > plain.activations);
    const seconds = (run: RunSizes) => planTime(pipeline, run, 1, 1e9).secondsAStep;
    const added = seconds({ ...rest, objective: { ...objective, targets } }) / seconds({ ...rest, objective });
    assert.ok(added > 1.1 && added < 1.6, `${added}`);
  });
  it("takes as many pairs as a row has, or as the batch has where rows are single pairs", () => {
    const runs = (candidates: Candidates) =>
      fitRun(pipeline, { ...sizes, objective: { candidates } }, { ...mapped, checkpoints: "never" }, machine).plan;
    assert.deepEqual(
      [inBatch(), inBatch(2), ownCaption()].map((candidates) => runs(candidates).pairsPerRun),
      [6, 3, 6],
    );
  });
  it("counts what validation and samples compile", () => {
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
