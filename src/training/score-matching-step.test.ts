import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InterruptedError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { fullMatrix, inBatch, matchedCaption } from "../objectives/candidates.js";
import { executionPlan } from "../objectives/execution-plan.js";
import type { Objective } from "../objectives/objective.js";
import { scoreMatching } from "../objectives/score-matching.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { abortedAtCheck } from "../testing/core/signals.js";
import { captions, openTiny, relativeError } from "../testing/pipelines/support.js";
import { TrainingStep } from "./training-step.js";

const latentShape = [16, 8, 8];

/** Score matching evaluated on all pairs. */
const byAllPairs: Objective = { ...scoreMatching(), candidates: inBatch() };

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
    rows: matchedCaption().rows(size, random),
  };
  const byRows = await TrainingStep.open(pipeline, embedding, byAllPairs, { latentShape, plan: executionPlan(size) });
  const expected = await byRows.run({ ...batch, rows: fullMatrix(size) });
  await byRows.release();

  for (const [pairsPerRun, checkpoints] of [
    [1, true],
    [3, true],
    [size, true],
    [3, false],
  ] as const) {
    it(`returns the mean of matched errors, ${pairsPerRun} pairs per run${checkpoints ? "" : ", without checkpointing"}`, async () => {
      const step = await TrainingStep.open(pipeline, embedding, scoreMatching(), {
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

  it("stops before the next run if the signal is aborted", async () => {
    const step = await TrainingStep.open(pipeline, embedding, scoreMatching(), { latentShape, plan: executionPlan(1) });
    const { signal, checks } = abortedAtCheck(2);
    await assert.rejects(step.run(batch, { signal }), InterruptedError);
    assert.equal(checks(), 2);
    await step.release();
  });
});
