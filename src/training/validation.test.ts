import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { InputError, InterruptedError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { concatRows } from "../core/tensor.js";
import { type CaptionedImage, imageFile } from "../data/captioned-image.js";
import { openDataSet } from "../data/data-set.js";
import { loadImage } from "../data/load-image.js";
import { score } from "../evaluation/score.js";
import { softRepa } from "../objectives/softrepa.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { openTiny } from "../testing/pipelines/support.js";
import { Validation, validationBatches, validationTimesteps } from "./validation.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-validation-"));
after(() => rm(folder, { recursive: true, force: true }));

const images = (...captions: string[]): CaptionedImage[] =>
  captions.map((caption, index) => ({ ...imageFile(`${index}.png`), captions: [caption, "another"] }));
const captionsOf = (batches: ReturnType<typeof validationBatches>) =>
  batches.map((batch) => batch.map(({ caption }) => caption));

describe("validationBatches", () => {
  it("returns complete batches without equivalent captions", () => {
    const items = images("a cat", "A cat.", "dog", "the cat", "cow", "hen", "pig");
    assert.deepEqual(captionsOf(validationBatches(items, 2)), [
      ["a cat", "dog"],
      ["A cat.", "cow"],
      ["the cat", "hen"],
    ]);
  });

  it("rejects data that do not fill one batch", () => {
    for (const items of [images("a", "b"), images("x cat", "x cat", "X CAT"), []]) {
      assert.throws(() => validationBatches(items, 3), InputError);
    }
  });
});

describe("Validation", async () => {
  await writeTestImages(folder);
  const pipeline = await openTiny("sd3");
  const { items } = await openDataSet(folder);
  const softTokens = initialSoftTokens(
    pipeline.softTokenLayout,
    { layers: 1, count: 2, buckets: 5, width: "projected" },
    new Generator(1),
  );
  const settings = {
    ...{ batch: 3, resolution: 32, pairsPerRun: 3, onTruncated: () => {} },
    row: softRepa({ temperature: 1, scale: 4, dweight: 0 }).row,
  };
  const validation = await Validation.open(pipeline, items.slice(0, 7), softTokens, settings);

  it("returns the same result until the tokens change", async () => {
    const first = await validation.run();
    const progress: [number, number][] = [];
    assert.deepEqual(await validation.run({ onProgress: (...mark) => progress.push(mark) }), first);
    assert.deepEqual(progress.at(-1), [30, 30]);
    const { data } = softTokens.tokens;
    const before = at(data, 0);
    data[0] = before + 0.5;
    assert.notDeepEqual(await validation.run(), first);
    data[0] = before;
    assert.deepEqual(await validation.run(), first);
  });

  it("agrees with the error matrices of score", async () => {
    const result = await validation.run();
    const batches = validationBatches(items.slice(0, 7), 3);
    let [loss, first] = [0, 0];
    const buckets: { timestep: number; matched: number; mismatched: number }[] = [];
    for (const timestep of validationTimesteps) {
      const [matched, mismatched]: [number[], number[]] = [[], []];
      for (const [index, batch] of batches.entries()) {
        const pixelRows = [];
        for (const { image } of batch) {
          const pixels = await loadImage(image, { width: 32, height: 32, crop: "center" });
          pixelRows.push({ ...pixels, shape: [1, ...pixels.shape] });
        }
        const { errors } = await score(pipeline, {
          ...{ images: concatRows(pixelRows), captions: batch.map(({ caption }) => caption), softTokens, strength: 1 },
          ...{ timesteps: [timestep], noises: 1, seed: 1000 * index + timestep, pairsPerRun: 3 },
        });
        for (const [image, row] of errors.entries()) {
          loss += settings.row(row, image).loss / 30;
          if (row[image] === Math.min(...row)) first++;
          for (const [caption, error] of row.entries()) (caption === image ? matched : mismatched).push(error);
        }
      }
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      buckets.push({ timestep, matched: mean(matched), mismatched: mean(mismatched) });
    }
    assert.ok(Math.abs(result.loss - loss) < 1e-6);
    assert.ok(Math.abs(result.rank1 - first / 30) < 1e-9);
    const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a} ${b}`);
    for (const [index, bucket] of buckets.entries()) {
      near(at(result.buckets, index).matched, bucket.matched);
      near(at(result.buckets, index).mismatched, bucket.mismatched);
    }
    const gap = buckets.reduce((sum, bucket) => sum + bucket.mismatched - bucket.matched, 0) / buckets.length;
    near(result.gap, gap);
  });

  it("stops if the signal is aborted", async () => {
    await assert.rejects(() => validation.run({ signal: AbortSignal.abort() }), InterruptedError);
    await validation.release();
  });
});
