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

describe("training with an objective of one's own", async () => {
  const { items } = await openDataSet(folder);
  const settings = {
    ...{ pools: [{ items, share: 1 }], objective: hinge(1), batch: 4, steps: 4, learningRate: 0.01, weightDecay: 0 },
    ...{ restartPeriod: 2, schedulerEvery: 1, minimumLearningRate: 0, seed: 5, resolution: 32 },
  };

  it("moves the tokens, and goes on from any step with the captions that would have been drawn", async () => {
    const never = start();
    const stops: { readonly tokens: SoftTokens; readonly state: TrainingState }[] = [];
    await train(pipeline, {
      ...settings,
      softTokens: never,
      onStep: ({ loss, rank1 }, state) => {
        assert.ok(Number.isFinite(loss) && rank1 !== null);
        stops.push(structuredClone({ tokens: never, state }));
      },
    });
    assert.ok(largestDifference(never.tokens, start().tokens) > 1e-3);
    assert.equal(stops.length, settings.steps);
    for (const { tokens, state } of stops) {
      await train(pipeline, { ...settings, softTokens: tokens, from: state });
      assert.deepEqual(tokens, never, `from step ${state.step}`);
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

  /** The gradient by the step, and the same derivative along it by central differences of the step's loss. */
  const derivatives = async (objective: Objective, pairsPerRun: number) => {
    const tokens = start();
    const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
    const step = await TrainingStep.open(pipeline, embedding, objective, {
      latentShape,
      plan: executionPlan(pairsPerRun),
    });
    const given = { ...batch, rows: objective.candidates.rows(size, new Generator(9)) };
    const { gradients } = await step.run(given);
    const gradient = gradients.tokens.data.slice();
    const length = Math.hypot(...gradient);
    const origin = tokens.tokens.data.slice();
    const lossAt = async (distance: number) => {
      for (const [i, value] of origin.entries())
        tokens.tokens.data[i] = value + (distance * (gradient[i] ?? 0)) / length;
      return (await step.run(given)).loss;
    };
    const central = async (h: number) => ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    // Extrapolated, so that h may be large beside the rounding of float32 losses.
    const difference = (4 * (await central(0.02)) - (await central(0.04))) / 3;
    await step.release();
    await embedding.release();
    return { length, difference };
  };

  for (const pairsPerRun of [1, 2, 3]) {
    it(`is that of a hinge over two drawn captions, ${pairsPerRun} pairs per run`, async () => {
      const { length, difference } = await derivatives(hinge(1), pairsPerRun);
      assert.ok(length > 1e-4, `${length}`);
      assert.ok(Math.abs(difference - length) < 0.01 * length, `${difference}, by the step ${length}`);
    });
  }

  for (const [candidates, name] of [
    [inBatch(), "all captions"],
    [inBatch(2), "drawn captions"],
    [scoreMatching().candidates, "own captions alone"],
  ] as const) {
    it(`goes towards targets that are computed from predictions, ${name}`, async () => {
      const { length, difference } = await derivatives(shiftedTargets(candidates), 2);
      assert.ok(length > 1e-4, `${length}`);
      assert.ok(Math.abs(difference - length) < 0.01 * length, `${difference}, by the step ${length}`);
    });
  }

  it("says which shape targets must have", async () => {
    const objective: Objective = { ...hinge(1), targets: ({ target }) => target };
    await assert.rejects(
      () => derivatives(objective, 2),
      (error) => error instanceof UsageError && /^targets of a row must be \[3,16,8,8\]/.test(error.message),
    );
  });
});

/**
 * Regression of every candidate towards its prediction moved away from the own one's (the own one towards the clean target):
 * a toy of AGSM. Targets are those of the first call for a row, as they are constants to the gradient.
 */
function shiftedTargets(candidates: Objective["candidates"]): Objective {
  const kept: FloatTensor[] = [];
  let calls = 0;
  return {
    name: "shifted targets",
    candidates,
    targets: ({ predictions, target, own }) => {
      const call = calls++ % captions.length;
      kept[call] ??= concatRows(
        Array.from({ length: predictions.shape[0] ?? 0 }, (_, pair) => {
          if (pair === own) return target;
          const [mine, other] = [rows(predictions, own, own + 1).data, rows(predictions, pair, pair + 1)];
          return floatTensor(
            other.shape,
            other.data.map((value, i) => value + 3 * (value - (mine[i] ?? 0)) - 0.2),
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
