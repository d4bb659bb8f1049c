import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InterruptedError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { floatTensor, rows } from "../core/tensor.js";
import { executionPlan } from "../objectives/execution-plan.js";
import { compilePairErrors } from "../objectives/pair-errors.js";
import { selectConditioning } from "../pipelines/conditioning.js";
import { noisySample } from "../schedulers/index.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { captions, openTiny } from "../testing/pipelines/support.js";
import { rank1, type ScoreRequest, score } from "./score.js";

describe("score", async () => {
  const pipeline = await openTiny("sd3");
  const tokens = initialSoftTokens(
    pipeline.softTokenLayout,
    { layers: 2, count: 2, buckets: 4, width: "projected" },
    new Generator(4),
  );
  const images = new Generator(1).normal([2, 3, 32, 32]);
  const request: ScoreRequest = {
    images,
    captions: captions.slice(0, 3),
    softTokens: tokens,
    strength: 1,
    timesteps: [250, 700],
    noises: 2,
    seed: 11,
    pairsPerRun: 2,
  };
  const matrix = async (changes: Partial<ScoreRequest> = {}) =>
    (await score(pipeline, { ...request, ...changes })).errors;
  const expected = await matrix();
  const difference = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]) =>
    Math.max(...a.flatMap((row, i) => row.map((x, j) => Math.abs(x - b[i][j]) / b[i][j])));

  it("is the mean over timesteps and seeded noises of the error of each pair", async () => {
    const { conditioning } = await pipeline.encodePrompts(request.captions);
    const latents = await pipeline.encodeImages(images);
    const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
    const pair = await compilePairErrors(pipeline, {
      plan: executionPlan(1),
      latentShape: [16, 8, 8],
      images: "each",
      softTokens: embedding.form,
      gradients: false,
    });
    const sums = [0, 1].map(() => [0, 0, 0]);
    for (const timestep of request.timesteps) {
      for (const seed of [11, 12]) {
        const noise = new Generator(seed).normal([1, 16, 8, 8]);
        for (const [image, row] of sums.entries()) {
          for (const caption of row.keys()) {
            const { errors } = await pair.run({
              ...noisySample(pipeline.scheduler, rows(latents, image, image + 1), noise, timestep),
              timestep: floatTensor([1], Float32Array.of(timestep)),
              conditioning: selectConditioning(conditioning, [caption]),
              softTokens: await embedding.at(timestep),
            });
            row[caption] += errors[0] / 4;
          }
        }
      }
    }
    await pair.release();
    await embedding.release();
    assert.ok(difference(expected, sums) < 1e-5);
  });

  it("does not depend on how many pairs go together, and repeats itself", async () => {
    assert.deepEqual(await matrix(), expected);
    for (const pairsPerRun of [1, 3, 5])
      assert.ok(difference(await matrix({ pairsPerRun }), expected) < 1e-5, `${pairsPerRun} pairs per run`);
  });

  it("sees the soft tokens by their strength", async () => {
    const plain = await matrix({ softTokens: null });
    assert.deepEqual(await matrix({ strength: 0 }), plain);
    assert.ok(difference(expected, plain) > 1e-4);
    const half = await matrix({ strength: 0.5 });
    assert.ok(difference(half, plain) > 1e-5 && difference(half, expected) > 1e-5);
  });

  it("measures the empty caption beside the others, when asked", async () => {
    const { errors, withoutCaption } = await score(pipeline, { ...request, withoutCaption: true });
    assert.ok(difference(errors, expected) < 1e-5);
    const empty = await matrix({ captions: [""] });
    assert.ok(withoutCaption);
    assert.ok(difference([withoutCaption], [empty.map(([error]) => error)]) < 1e-5);
    assert.equal((await score(pipeline, { ...request, timesteps: [250], noises: 1 })).withoutCaption, null);
  });

  it("differs by seed", async () => {
    assert.ok(difference(await matrix({ seed: 100 }), expected) > 1e-4);
  });

  it("counts rounds of images, and stops between runs", async () => {
    const seen: number[][] = [];
    const stop = new AbortController();
    const onProgress = (done: number, total: number) => {
      seen.push([done, total]);
      if (done === 3) stop.abort();
    };
    await assert.rejects(() => matrix({ onProgress, signal: stop.signal }), InterruptedError);
    assert.deepEqual(seen, [
      [1, 8],
      [2, 8],
      [3, 8],
    ]);
    await assert.rejects(() => matrix({ signal: AbortSignal.abort() }), InterruptedError);
  });
});

describe("rank1", () => {
  const errors = [
    [1, 2, 3],
    [2, 1, 3],
    [1, 1, 2],
  ];
  it("is the share of images with one of their own captions at the smallest error", () => {
    assert.equal(rank1(errors, [[0], [1], [2]]), 2 / 3);
    assert.equal(rank1(errors, [[1, 0], [2], [1]]), 2 / 3);
    assert.equal(rank1(errors, [[2], [2], [2]]), 0);
    assert.equal(rank1(errors, [[0], [1], [0]]), 1);
  });
});
