import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InterruptedError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { concatRows, type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { gradients } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import * as ops from "../graph/ops.js";
import { fullMatrix } from "../objectives/candidates.js";
import { executionPlan } from "../objectives/execution-plan.js";
import { compilePairErrors } from "../objectives/pair-errors.js";
import { softRepa } from "../objectives/softrepa.js";
import { selectConditioning } from "../pipelines/conditioning.js";
import type { DiffusionPipeline, SoftTokenSpec } from "../pipelines/pipeline.js";
import { noisySample } from "../schedulers/index.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { firstOf } from "../testing/core/repetitions.js";
import { abortedAtCheck } from "../testing/core/signals.js";
import { captions, openTiny, relativeError } from "../testing/pipelines/support.js";
import { AdamW } from "./adamw.js";
import { type TrainingBatch, type TrainingResult, TrainingStep } from "./training-step.js";

const size = 5;
/** The temperature suits the tiny pipeline's errors of about 1.5. */
const settings = { temperature: 1, scale: 4, dweight: 0.25 };
const latentShapeOf = ({ latentChannels }: DiffusionPipeline) => [latentChannels, 8, 8];
const limit = 1e-5;

/** A batch of random latents with five different captions. */
async function batchFor(pipeline: DiffusionPipeline): Promise<TrainingBatch> {
  const random = new Generator(3);
  const latentShape = latentShapeOf(pipeline);
  const { conditioning } = await pipeline.encodePrompts([...captions, "a small dog"]);
  return {
    latents: random.normal([size, ...latentShape]),
    conditioning,
    noise: random.normal([1, ...latentShape]),
    timestep: 613,
    rows: fullMatrix(size),
  };
}

for (const { family, width, sizesOfRuns } of firstOf([
  { family: "sd3", width: "raw", sizesOfRuns: [1, 2, 8] },
  { family: "sd35", width: "projected", sizesOfRuns: [3] },
  { family: "sd15", width: "raw", sizesOfRuns: [2] },
  { family: "sdxl", width: "projected", sizesOfRuns: [1] },
] as const)) {
  describe(`gradients of a batch of ${size}, ${family} with ${width} tokens`, async () => {
    const pipeline = await openTiny(family);
    const latentShape = latentShapeOf(pipeline);
    const layers = Math.min(2, pipeline.softTokenLayout.layers);
    const sizes = { layers, count: 3, buckets: 7, width };
    const tokens = initialSoftTokens(pipeline.softTokenLayout, sizes, new Generator(1));
    const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
    const batch = await batchFor(pipeline);
    const objective = softRepa(settings);
    const step = async (pairsPerRun: number) => {
      const trainingStep = await TrainingStep.open(pipeline, embedding, objective, {
        latentShape,
        plan: executionPlan(pairsPerRun),
      });
      const result = await trainingStep.run(batch);
      await trainingStep.release();
      return result;
    };
    /** All captions of an image in one run. */
    const expected = await step(size);
    const table = (result: { gradients: { timeTable: FloatTensor | null } }): FloatTensor => {
      assert.ok(result.gradients.timeTable);
      return result.gradients.timeTable;
    };

    it("are not small, and are nonzero in one row of the time table", () => {
      assert.ok(Math.hypot(...expected.gradients.tokens.data) > 1e-5);
      const { shape, data } = table(expected);
      const used = Array.from({ length: 7 }, (_, row) => row).filter((row) =>
        data.subarray(row * at(shape, 1), (row + 1) * at(shape, 1)).some((x) => x !== 0),
      );
      assert.deepEqual(used, [Math.floor((613 * 7) / 1000)]);
    });

    for (const pairsPerRun of sizesOfRuns) {
      it(`agree for ${pairsPerRun} pairs per run`, async () => {
        const result = await step(pairsPerRun);
        assert.ok(relativeError(result.gradients.tokens, expected.gradients.tokens) <= limit);
        assert.ok(relativeError(table(result), table(expected)) <= limit);
        assert.ok(Math.abs(result.loss - expected.loss) <= limit * expected.loss);
        assert.equal(result.rank1, expected.rank1);
      });
    }

    for (const [condition, options] of [
      ["activations are kept", { checkpoints: false }],
      ["weights are repacked", { repackWeights: true }],
    ] as const) {
      it(`agree when ${condition}`, async () => {
        const sizes = { latentShape, plan: executionPlan(size, options) };
        const trainingStep = await TrainingStep.open(pipeline, embedding, objective, sizes);
        const result = await trainingStep.run(batch);
        await trainingStep.release();
        assert.ok(relativeError(result.gradients.tokens, expected.gradients.tokens) <= limit);
        assert.ok(relativeError(table(result), table(expected)) <= limit);
        assert.ok(Math.abs(result.loss - expected.loss) <= limit * expected.loss);
      });
    }

    it("agree with a single run of all pairs with one image per pair", async () => {
      const pairs = await compilePairErrors(pipeline, {
        plan: executionPlan(size * size),
        latentShape,
        images: "each",
        softTokens: embedding.form,
        gradients: true,
      });
      const images = Array.from({ length: size * size }, (_, pair) => Math.floor(pair / size));
      const texts = images.map((_, pair) => pair % size);
      const latents = concatRows(images.map((image) => rows(batch.latents, image, image + 1)));
      const results = await pairs.run({
        ...noisySample(pipeline.scheduler, latents, batch.noise, batch.timestep),
        timestep: floatTensor([1], Float32Array.of(batch.timestep)),
        conditioning: selectConditioning(batch.conditioning, texts),
        softTokens: await embedding.at(batch.timestep),
      });
      await pairs.release();
      const length = results.gradients.length / (size * size);
      const total = new Float64Array(length);
      for (let image = 0; image < size; image++) {
        const { cotangents } = objective.row([...results.errors.subarray(image * size, (image + 1) * size)], image);
        for (const [text, cotangent] of cotangents.entries()) {
          const start = (image * size + text) * length;
          for (let i = 0; i < length; i++)
            total[i] = at(total, i) + (cotangent / size) * at(results.gradients, start + i);
        }
      }
      const cotangent = floatTensor(embedding.form.shape, Float32Array.from(total));
      const whole = await embedding.gradients(batch.timestep, cotangent);
      assert.ok(relativeError(whole.tokens, expected.gradients.tokens) <= limit);
      assert.ok(relativeError(floatTensor([size * size], results.errors), flat(errorsOf(expected))) <= limit);
    });

    it("agree with autodiff through loss, denoiser and projection in one graph", async () => {
      const whole = await wholeGraph(pipeline, tokens, embedding.form, batch);
      assert.ok(relativeError(whole.tokens, expected.gradients.tokens) <= limit);
      assert.ok(relativeError(whole.row, floatTensor(whole.row.shape, rowOf(table(expected)))) <= limit);
      assert.ok(Math.abs(at(whole.loss.data, 0) - expected.loss) <= limit * expected.loss);
    });
  });
}

describe("a training step", async () => {
  const pipeline = await openTiny("sd3");
  const latentShape = latentShapeOf(pipeline);
  const batch = await batchFor(pipeline);
  const objective = softRepa(settings);
  const sizes = { layers: 2, count: 3, buckets: 0, width: "projected" } as const;
  const learned = initialSoftTokens(pipeline.softTokenLayout, sizes, new Generator(1));
  const embedding = await SoftTokenEmbedding.open(pipeline, learned);
  const trainingStep = await TrainingStep.open(pipeline, embedding, objective, { latentShape, plan: executionPlan(2) });

  it("reduces the loss", async () => {
    const optimizer = new AdamW(learned.tokens.data, { weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    const losses: number[] = [];
    for (let i = 0; i < 4; i++) {
      const { loss, gradients } = await trainingStep.run(batch);
      losses.push(loss);
      optimizer.step(gradients.tokens.data, 0.02);
    }
    for (let i = 1; i < losses.length; i++) assert.ok(at(losses, i) < at(losses, i - 1), `losses ${losses}`);
  });

  it("returns no time table gradient without a time table", async () => {
    assert.equal((await trainingStep.run(batch)).gradients.timeTable, null);
  });

  it("returns errors by image and caption, and rank-1 accuracy", async () => {
    const result = await trainingStep.run(batch);
    const [errors, rank1] = [errorsOf(result), result.rank1];
    const logits = result.rows.map((row) => row.logits ?? []);
    assert.deepEqual([errors.length, logits.length, ...errors.map((row) => row.length)], Array(7).fill(size));
    assert.equal(rank1, errors.filter((row, image) => row[image] === Math.min(...row)).length / size);
    // Image 3 alone in a batch has the same row as in the whole batch.
    const alone = { ...batch, latents: rows(batch.latents, 3, 4), rows: fullMatrix(size).slice(0, 1) };
    const [row] = errorsOf(await trainingStep.run(alone));
    assert.deepEqual(row, errors[3]);
  });

  it("stops before the next run if the signal is aborted", async () => {
    const { signal, checks } = abortedAtCheck(5);
    await assert.rejects(() => trainingStep.run(batch, { signal }), InterruptedError);
    assert.equal(checks(), 5);
  });
});

function errorsOf({ rows }: TrainingResult): readonly (readonly number[])[] {
  return rows.map(({ errors }) => errors);
}

function flat(errors: readonly (readonly number[])[]): FloatTensor {
  return floatTensor([size * size], Float32Array.from(errors.flat()));
}

function rowOf({ shape, data }: FloatTensor): Float32Array {
  const row = Math.floor((613 * 7) / 1000);
  return data.slice(row * at(shape, 1), (row + 1) * at(shape, 1));
}

/** Everything in one graph, without derivatives assembled by hand. */
async function wholeGraph(
  pipeline: DiffusionPipeline,
  { tokens, timeTable }: ReturnType<typeof initialSoftTokens>,
  { stages }: SoftTokenSpec,
  { latents, noise, timestep, conditioning }: TrainingBatch,
): Promise<{ loss: FloatTensor; tokens: FloatTensor; row: FloatTensor }> {
  assert.ok(timeTable);
  const pairs = size * size;
  const latentShape = latentShapeOf(pipeline);
  const graph = new Graph();
  const { projectedWidth } = pipeline.softTokenLayout;
  const [layers = 0, count = 0, width = 0] = tokens.shape;
  const learned = ops.input(graph, "tokens", tokens.shape);
  const row = ops.input(graph, "row", [layers * projectedWidth]);
  const projected = width === projectedWidth ? learned : pipeline.projectSoftTokens(graph, learned);
  const effective = ops.add(projected, ops.reshape(row, [layers, 1, projectedWidth]));
  const prediction = pipeline.denoise(graph, {
    sample: ops.input(graph, "sample", [pairs, ...latentShape]),
    timestep: ops.input(graph, "timestep", [1]),
    conditioning: Object.fromEntries(
      Object.entries(pipeline.conditioningShapes).map(([name, shape]) => [
        name,
        ops.input(graph, name, [pairs, ...shape]),
      ]),
    ),
    softTokens: {
      values: ops.expand(ops.reshape(effective, [1, layers, count, projectedWidth]), [
        pairs,
        layers,
        count,
        projectedWidth,
      ]),
      stages,
    },
  });
  const difference = ops.sub(prediction, ops.input(graph, "target", [pairs, ...latentShape]));
  const errors = ops.reshape(ops.reduceMean(ops.mul(difference, difference), [1, 2, 3]), [size, size]);
  const logits = ops.mul(ops.exp(ops.mul(errors, -1 / settings.temperature)), settings.scale);
  const own = ops.input(graph, "own", [size, size]);
  const logSum = ops.log(ops.reduceSum(ops.exp(logits), [1]));
  const perImage = ops.add(
    ops.sub(logSum, ops.reduceSum(ops.mul(own, logits), [1])),
    ops.mul(ops.reduceSum(ops.mul(own, errors), [1]), settings.dweight),
  );
  const loss = ops.reduceMean(perImage, [0]);
  const seed = ops.constant(graph, floatTensor(loss.shape, Float32Array.of(1)));
  const both = gradients([{ value: loss, cotangent: seed }], [learned, row]);
  const outputs = { loss, tokens_gradient: at(both, 0), row_gradient: at(both, 1) };

  const images = Array.from({ length: pairs }, (_, pair) => Math.floor(pair / size));
  const { sample, target } = noisySample(
    pipeline.scheduler,
    concatRows(images.map((image) => rows(latents, image, image + 1))),
    noise,
    timestep,
  );
  const session = await pipeline.engine.compile(writeOnnx(graph, outputs, pipeline.engine.target));
  const results = await session.run({
    tokens,
    row: floatTensor([layers * projectedWidth], rowOf(timeTable)),
    sample,
    target,
    timestep: floatTensor([1], Float32Array.of(timestep)),
    own: floatTensor(
      [size, size],
      Float32Array.from({ length: pairs }, (_, i) => (i % (size + 1) === 0 ? 1 : 0)),
    ),
    ...selectConditioning(
      conditioning,
      images.map((_, pair) => pair % size),
    ),
  });
  await session.release();
  return {
    loss: results.loss as FloatTensor,
    tokens: results.tokens_gradient as FloatTensor,
    row: results.row_gradient as FloatTensor,
  };
}
