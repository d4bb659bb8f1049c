import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InterruptedError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { abortedAtCheck } from "../testing/core/signals.js";
import { captions, openTiny, relativeError } from "../testing/pipelines/support.js";
import { ContrastiveStep } from "./contrastive-step.js";
import { MatchingStep } from "./matching-step.js";

const latentShape = [16, 8, 8];

/** The own error as a row's loss: what score matching is, by way of all pairs. */
const ownError: Objective = (errors, image) => ({
  loss: errors[image],
  logits: errors.map((error) => -error),
  cotangents: errors.map((_, column) => (column === image ? 1 : 0)),
});

describe("a score-matching step", async () => {
  const pipeline = await openTiny("sd3");
  const sizes = { layers: 2, count: 3, buckets: 7, width: "projected" } as const;
  const tokens = initialSoftTokens(pipeline.softTokenLayout, sizes, new Generator(1));
  const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
  const random = new Generator(3);
  const size = captions.length;
  const batch = {
    latents: random.normal([size, ...latentShape]),
    conditioning: (await pipeline.encodePrompts(captions)).conditioning,
    noise: random.normal([1, ...latentShape]),
    timestep: 613,
  };
  const byRows = await ContrastiveStep.open(pipeline, embedding, ownError, { latentShape, plan: executionPlan(size) });
  const expected = await byRows.run(batch);
  await byRows.release();

  for (const [pairsPerRun, checkpoints] of [
    [1, true],
    [3, true],
    [size, true],
    [3, false],
  ] as const) {
    it(`is the mean of the own errors, ${pairsPerRun} pairs at a time${checkpoints ? "" : ", activations kept"}`, async () => {
      const step = await MatchingStep.open(pipeline, embedding, {
        latentShape,
        plan: executionPlan(pairsPerRun, { checkpoints }),
      });
      const { loss, rank1, gradients } = await step.run(batch);
      await step.release();
      assert.ok(Math.abs(loss - expected.loss) <= 1e-5 * expected.loss);
      assert.equal(rank1, null);
      assert.ok(relativeError(gradients.tokens, expected.gradients.tokens) <= 1e-5);
      assert.ok(gradients.timeTable && expected.gradients.timeTable);
      assert.ok(relativeError(gradients.timeTable, expected.gradients.timeTable) <= 1e-5);
    });
  }

  it("stops before the next run where the signal is aborted", async () => {
    const step = await MatchingStep.open(pipeline, embedding, { latentShape, plan: executionPlan(1) });
    const { signal, checks } = abortedAtCheck(2);
    await assert.rejects(step.run(batch, { signal }), InterruptedError);
    assert.equal(checks(), 2);
    await step.release();
  });
});
