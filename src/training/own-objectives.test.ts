import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { concatRows, type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { openDataSet } from "../data/data-set.js";
import { inBatch } from "../objectives/candidates.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import { scoreMatching } from "../objectives/score-matching.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { captions, largestDifference, openTiny } from "../testing/pipelines/support.js";
import { hinge } from "../testing/training/hinge.js";
import { train } from "./train.js";
import type { TrainingState } from "./training-state.js";
import { TrainingStep } from "./training-step.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-objectives-"));
after(() => rm(folder, { recursive: true, force: true }));
await writeTestImages(folder);

const pipeline = await openTiny("sd3");
const sizes = { layers: 2, count: 3, buckets: 7, width: "projected" } as const;
const start = () => initialSoftTokens(pipeline.softTokenLayout, sizes, new Generator(1));

describe("training with a custom objective", async () => {
  const { items } = await openDataSet(folder);
  const settings = {
    ...{ pools: [{ items, share: 1 }], objective: hinge(1), batch: 4, steps: 4, learningRate: 0.01, weightDecay: 0 },
    ...{ restartPeriod: 2, schedulerEvery: 1, minimumLearningRate: 0, seed: 5, resolution: 32 },
  };

  it("changes the tokens, and resumes from any step with the same sampled captions", async () => {
    const uninterrupted = start();
    const snapshots: { readonly tokens: SoftTokens; readonly state: TrainingState }[] = [];
    await train(pipeline, {
      ...settings,
      softTokens: uninterrupted,
      onStep: ({ loss, rank1 }, state) => {
        assert.ok(Number.isFinite(loss) && rank1 !== null);
        snapshots.push(structuredClone({ tokens: uninterrupted, state }));
      },
    });
    assert.ok(largestDifference(uninterrupted.tokens, start().tokens) > 1e-3);
    assert.equal(snapshots.length, settings.steps);
    for (const { tokens, state } of snapshots) {
      await train(pipeline, { ...settings, softTokens: tokens, from: state });
      assert.deepEqual(tokens, uninterrupted, `from step ${state.step}`);
    }
  });
});

describe("the gradient of a step", async () => {
  const size = captions.length;
  const latentShape = [pipeline.latentChannels, 8, 8];
  const random = new Generator(3);
  const batch = {
    latents: random.normal([size, ...latentShape]),
    conditioning: (await pipeline.encodePrompts(captions)).conditioning,
    noise: random.normal([1, ...latentShape]),
    timestep: 613,
  };

  /** The norm of the step's gradient, and the derivative along it by central differences of the loss. */
  const derivatives = async (objective: Objective, pairsPerRun: number) => {
    const tokens = start();
    const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
    const step = await TrainingStep.open(pipeline, embedding, objective, {
      latentShape,
      plan: executionPlan(pairsPerRun),
    });
    const inputs = { ...batch, rows: objective.candidates.rows(size, new Generator(9)) };
    const { gradients } = await step.run(inputs);
    const gradient = gradients.tokens.data.slice();
    const length = Math.hypot(...gradient);
    const origin = tokens.tokens.data.slice();
    const lossAt = async (distance: number) => {
      for (const [i, value] of origin.entries())
        tokens.tokens.data[i] = value + (distance * (gradient[i] ?? 0)) / length;
      return (await step.run(inputs)).loss;
    };
    const central = async (h: number) => ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    // Richardson extrapolation allows an h that is large compared with float32 rounding.
    const difference = (4 * (await central(0.02)) - (await central(0.04))) / 3;
    await step.release();
    await embedding.release();
    return { length, difference };
  };

  for (const pairsPerRun of [1, 2, 3]) {
    it(`agrees with finite differences for a hinge over two sampled captions, ${pairsPerRun} pairs per run`, async () => {
      const { length, difference } = await derivatives(hinge(1), pairsPerRun);
      assert.ok(length > 1e-4, `${length}`);
      assert.ok(Math.abs(difference - length) < 0.01 * length, `${difference}, step ${length}`);
    });
  }

  for (const [candidates, name] of [
    [inBatch(), "all captions"],
    [inBatch(2), "sampled captions"],
    [scoreMatching().candidates, "matched captions only"],
  ] as const) {
    it(`agrees with finite differences for targets computed from predictions, ${name}`, async () => {
      const { length, difference } = await derivatives(shiftedTargets(candidates), 2);
      assert.ok(length > 1e-4, `${length}`);
      assert.ok(Math.abs(difference - length) < 0.01 * length, `${difference}, step ${length}`);
    });
  }

  it("rejects targets of a wrong shape", async () => {
    const objective: Objective = { ...hinge(1), targets: ({ target }) => target };
    await assert.rejects(
      () => derivatives(objective, 2),
      (error) => error instanceof UsageError && /^targets of a row must be \[3,16,8,8\]/.test(error.message),
    );
  });
});

/**
 * A simplified AGSM: the target of the matched candidate is the standard one, that of others is their prediction moved away from the
 * matched prediction. Keeps the targets of the first call per row, since the gradient treats them as constants.
 */
function shiftedTargets(candidates: Objective["candidates"]): Objective {
  const kept: FloatTensor[] = [];
  let calls = 0;
  return {
    name: "shifted targets",
    candidates,
    targets: ({ predictions, target, matched }) => {
      const call = calls++ % captions.length;
      kept[call] ??= concatRows(
        Array.from({ length: predictions.shape[0] ?? 0 }, (_, pair) => {
          if (pair === matched) return target;
          const [reference, other] = [rows(predictions, matched, matched + 1).data, rows(predictions, pair, pair + 1)];
          return floatTensor(
            other.shape,
            other.data.map((value, i) => value + 3 * (value - (reference[i] ?? 0)) - 0.2),
          );
        }),
      );
      return kept[call];
    },
    row: (errors) => ({
      loss: errors.reduce((sum, error) => sum + error, 0) / errors.length,
      cotangents: errors.map(() => 1 / errors.length),
    }),
  };
}
