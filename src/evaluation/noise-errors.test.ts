import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError, InterruptedError, RuntimeFailure, UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { floatTensor, rows } from "../core/tensor.js";
import { executionPlan } from "../objectives/execution-plan.js";
import { compilePairErrors } from "../objectives/pair-errors.js";
import { selectConditioning } from "../pipelines/conditioning.js";
import { noisySample } from "../schedulers/index.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { captions, openTiny } from "../testing/pipelines/support.js";
import {
  information,
  informationGain,
  type MutualInformationRequest,
  measureInformation,
} from "./mutual-information.js";
import type { NoiseErrors } from "./noise-errors.js";

describe("information of a pipeline", async () => {
  const pipeline = await openTiny("sd3");
  const sizes = { layers: 2, count: 2, buckets: 4, width: "projected" } as const;
  const drawTokens = () => initialSoftTokens(pipeline.softTokenLayout, sizes, new Generator(4));
  const plain = { softTokens: null, strength: 1 };
  const soft = { softTokens: drawTokens(), strength: 1 };
  const images = new Generator(1).normal([3, 3, 32, 32]);
  const request: MutualInformationRequest = {
    images,
    captions: captions.slice(0, 3),
    settings: [plain, soft],
    nodes: 4,
    limits: [-5, 5],
    noises: 2,
    seed: 11,
    pairsPerRun: 2,
  };
  const measure = (changes: Partial<MutualInformationRequest> = {}) =>
    measureInformation(pipeline, { ...request, ...changes });
  const [before, after] = await measure();
  const difference = (a: NoiseErrors, b: NoiseErrors) =>
    Math.max(
      ...[a.withCaption, a.withoutCaption].flatMap((table, side) =>
        table.flatMap((row, node) =>
          row.map((x, pair) => {
            const other = [b.withCaption, b.withoutCaption][side][node][pair];
            return Math.abs(x - other) / other;
          }),
        ),
      ),
    );

  it("sums errors of the noise over dimensions and averages them over noises of each pair's own, tokens in both", async () => {
    const { conditioning } = await pipeline.encodePrompts([...request.captions, ""]);
    const latents = await pipeline.encodeImages(images);
    const embedding = await SoftTokenEmbedding.open(pipeline, soft.softTokens);
    const pair = await compilePairErrors(pipeline, {
      plan: executionPlan(1),
      latentShape: [16, 8, 8],
      images: "each",
      softTokens: embedding.form,
      gradients: false,
    });
    const random = new Generator(11);
    const expected = [0, 1].map(() => after.nodes.map(() => [0, 0, 0]));
    for (const [node, { timestep }] of after.nodes.entries()) {
      const s = timestep / 1000;
      for (let draw = 0; draw < 2; draw++) {
        for (let image = 0; image < 3; image++) {
          const noise = random.normal([1, 16, 8, 8]);
          for (const [side, text] of [image, 3].entries()) {
            const { errors } = await pair.run({
              ...noisySample(pipeline.scheduler, rows(latents, image, image + 1), noise, timestep),
              timestep: floatTensor([1], Float32Array.of(timestep)),
              conditioning: selectConditioning(conditioning, [text]),
              softTokens: await embedding.at(timestep),
            });
            expected[side][node][image] += (errors[0] * 1024 * (1 - s) ** 2) / 2;
          }
        }
      }
    }
    await pair.release();
    await embedding.release();
    const [withCaption, withoutCaption] = expected;
    assert.ok(difference({ ...after, withCaption, withoutCaption }, after) < 1e-5);
    assert.ok(difference({ ...after, withCaption: withoutCaption, withoutCaption: withCaption }, after) > 1e-4);
  });

  it("repeats itself by its seed, whatever else is measured and however many pairs go together", async () => {
    assert.deepEqual(await measure(), [before, after]);
    assert.deepEqual(await measure({ settings: [soft] }), [after]);
    for (const pairsPerRun of [1, 3, 5]) {
      const [, other] = await measure({ pairsPerRun });
      assert.ok(difference(other, after) < 1e-5, `${pairsPerRun} pairs per run`);
    }
    const [other] = await measure({ seed: 12 });
    assert.ok(difference(other, before) > 1e-4);
  });

  it("gains exactly nothing by the same tokens", async () => {
    const same = { softTokens: drawTokens(), strength: 1 };
    const [one, two] = await measure({ settings: [soft, same] });
    const { pairs, mean, standardError, withCaption, withoutCaption, curve } = informationGain(one, two);
    const nothing = { mean: 0, standardError: 0 };
    assert.deepEqual({ pairs, mean, standardError }, { pairs: [0, 0, 0], ...nothing });
    assert.deepEqual([withCaption, withoutCaption], [nothing, nothing]);
    for (const point of curve) assert.equal(point.mean, 0);
  });

  it("sees the soft tokens by their strength", async () => {
    const [off, none, half] = await measure({
      settings: [{ ...soft, strength: 0 }, plain, { ...soft, strength: 0.5 }],
    });
    assert.deepEqual(off, none);
    assert.deepEqual(none, before);
    assert.ok(difference(half, before) > 1e-5 && difference(half, after) > 1e-5);
    const gain = informationGain(before, after);
    assert.ok(gain.pairs.every((nats) => nats !== 0));
    assert.ok(Math.abs(gain.mean - (information(after).mean - information(before).mean)) < 1e-9);
    assert.ok(Math.abs(gain.mean - (gain.withCaption.mean - gain.withoutCaption.mean)) < 1e-9);
  });

  it("knows no information in an empty caption", async () => {
    const [errors] = await measure({ captions: ["", "", ""], settings: [soft] });
    // Encoders round differently at other places of a batch.
    const largest = Math.max(...information(errors).pairs.map(Math.abs));
    const usual = Math.min(...information(after).pairs.map(Math.abs));
    assert.ok(largest < 0.01 * usual, `${largest}, with captions ${usual}`);
  });

  it("counts pairs over all settings, and stops between runs", async () => {
    const seen: number[] = [];
    const totals = new Set<number>();
    const stop = new AbortController();
    const onProgress = (done: number, total: number) => {
      seen.push(done);
      totals.add(total);
      if (done === 29) stop.abort();
    };
    await assert.rejects(() => measure({ onProgress, signal: stop.signal }), InterruptedError);
    // 4 nodes, 2 noises, 3 pairs (in runs of 2 and 1), 2 settings
    assert.deepEqual([...totals], [48]);
    assert.deepEqual(seen.slice(0, 4), [2, 3, 5, 6]);
    assert.equal(seen.at(-1), 29);
    await assert.rejects(() => measure({ signal: AbortSignal.abort() }), InterruptedError);
  });

  it("refuses what does not fit, and numbers that overflowed", async () => {
    await assert.rejects(() => measure({ captions: captions.slice(0, 2) }), InputError);
    await assert.rejects(() => measure({ noises: 0 }), UsageError);
    await assert.rejects(() => measure({ nodes: 1 }), UsageError);
    const huge = { softTokens: { ...drawTokens(), tokens: floatTensor([2, 2, 32]) }, strength: 1 };
    huge.softTokens.tokens.data.fill(Number.NaN);
    await assert.rejects(() => measure({ settings: [huge] }), RuntimeFailure);
  });
});
