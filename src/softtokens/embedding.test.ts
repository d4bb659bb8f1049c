import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import {
  largestDifference,
  openTiny,
  pipelineFolder,
  relativeError,
  weightFile,
} from "../testing/pipelines/support.js";
import { openSafetensors, readTensor } from "../weights/safetensors.js";
import { bucketOf, SoftTokenEmbedding } from "./embedding.js";
import { initialSoftTokens } from "./initial.js";

describe("bucketOf", () => {
  const cases: [number, number, number][] = [
    // timestep, buckets, row
    [0, 100, 0],
    [9, 100, 0],
    [10, 100, 1],
    [613, 100, 61],
    [613.9, 100, 61],
    [999, 100, 99],
    [1000, 100, 99],
    [0, 1, 0],
    [1000, 1, 0],
    [142, 7, 0],
    [143, 7, 1],
    [999, 7, 6],
    [1000, 7, 6],
    [333, 3, 0],
    [334, 3, 1],
    [500, 1000, 500],
    [1000, 1000, 999],
  ];
  for (const [timestep, buckets, row] of cases) {
    it(`timestep ${timestep} of 1000 in ${buckets} buckets is row ${row}`, () => {
      assert.equal(bucketOf(timestep, buckets, 1000), row);
    });
  }

  it("is min(t, 999) // 10 for 100 buckets, as in the authors' code", () => {
    for (let t = 0; t <= 1000; t++) assert.equal(bucketOf(t, 100, 1000), Math.floor(Math.min(t, 999) / 10));
  });

  it("is monotonic, and reaches every row", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (buckets) => {
        const rows = Array.from({ length: 1001 }, (_, t) => bucketOf(t, buckets, 1000));
        assert.ok(rows.every((row, t) => row >= 0 && row < buckets && row >= (rows[t - 1] ?? 0)));
        assert.equal(new Set(rows).size, buckets);
      }),
    );
  });
});

/** The row of a time table for one bucket. */
function rowAt(table: FloatTensor, bucket: number): Float32Array {
  return table.data.slice(bucket * at(table.shape, 1), (bucket + 1) * at(table.shape, 1));
}

describe("SoftTokenEmbedding", async () => {
  const pipeline = await openTiny("sd3");
  const sizes = { layers: 3, count: 2, buckets: 7 };
  const projected = initialSoftTokens(pipeline.softTokenLayout, { ...sizes, width: "projected" }, new Generator(1));
  const raw = initialSoftTokens(pipeline.softTokenLayout, { ...sizes, width: "raw" }, new Generator(2));

  it("adds the timestep's row to projected tokens, layer by layer", async () => {
    const embedding = await SoftTokenEmbedding.open(pipeline, projected);
    assert.deepEqual(embedding.form.shape, [3, 2, 32]);
    assert.ok(projected.timeTable);
    for (const [timestep, bucket] of [
      [0, 0],
      [500, 3],
      [999, 6],
      [1000, 6],
    ] as const) {
      const row = rowAt(projected.timeTable, bucket);
      const expected = projected.tokens.data.map((x, i) => x + at(row, Math.floor(i / 64) * 32 + (i % 32)));
      const seen = await embedding.at(timestep);
      assert.deepEqual(seen, floatTensor([3, 2, 32], expected), `timestep ${timestep}`);
    }
    await embedding.release();
  });

  it("projects raw tokens with the context embedder", async () => {
    const embedding = await SoftTokenEmbedding.open(pipeline, raw);
    const { tensors } = await openSafetensors(weightFile(pipelineFolder("sd3"), "transformer"));
    const read = async (name: string) => {
      const stored = tensors.get(`context_embedder.${name}`);
      assert.ok(stored);
      return (await readTensor(stored)).data;
    };
    const [weight, bias] = [await read("weight"), await read("bias")];
    assert.ok(raw.timeTable);
    const row = rowAt(raw.timeTable, 4);
    const expected = Float32Array.from({ length: 3 * 2 * 32 }, (_, i) => {
      const [token, column] = [Math.floor(i / 32), i % 32];
      let sum = at(bias, column) + at(row, Math.floor(token / 2) * 32 + column);
      for (let k = 0; k < 48; k++) sum += at(weight, column * 48 + k) * at(raw.tokens.data, token * 48 + k);
      return sum;
    });
    const seen = await embedding.at(600);
    assert.deepEqual(seen.shape, [3, 2, 32]);
    assert.ok(largestDifference(seen, { data: expected }) < 1e-6);
    await embedding.release();
  });

  it("adds nothing without a time table", async () => {
    const embedding = await SoftTokenEmbedding.open(pipeline, { ...projected, timeTable: null });
    assert.deepEqual((await embedding.at(0)).data, projected.tokens.data);
    assert.deepEqual((await embedding.at(1000)).data, projected.tokens.data);
    const { tokens, timeTable } = await embedding.gradients(1000, projected.tokens);
    assert.deepEqual([tokens.data, timeTable], [projected.tokens.data, null]);
    await embedding.release();
  });

  for (const [name, tokens] of [
    ["raw", raw],
    ["projected", projected],
  ] as const) {
    it(`returns the gradients of that map (${name})`, async () => {
      const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
      const cotangent = new Generator(5).normal(embedding.form.shape);
      const { tokens: dTokens, timeTable: dTable } = await embedding.gradients(650, cotangent);
      assert.ok(dTable && tokens.timeTable);
      assert.deepEqual([dTokens.shape, dTable.shape], [tokens.tokens.shape, tokens.timeTable.shape]);
      const used = rowAt(dTable, 4);
      assert.equal(dTable.data.filter((x) => x !== 0).length, used.filter((x) => x !== 0).length);
      // <cotangent, f(x + d) - f(x)> = <gradient, d>, exactly for an affine map.
      const random = new Generator(6);
      const moves = { tokens: random.normal(tokens.tokens.shape), timeTable: random.normal(tokens.timeTable.shape) };
      const moved = await SoftTokenEmbedding.open(pipeline, {
        ...tokens,
        tokens: sum(tokens.tokens, moves.tokens),
        timeTable: sum(tokens.timeTable, moves.timeTable),
      });
      const [before, after] = [await embedding.at(650), await moved.at(650)];
      const change = dot(cotangent, after) - dot(cotangent, before);
      const predicted = dot(dTokens, moves.tokens) + dot(dTable, moves.timeTable);
      assert.ok(Math.abs(change - predicted) < 1e-4 * Math.abs(predicted), `${change}, predicted ${predicted}`);
      await embedding.release();
      await moved.release();
    });
  }

  it("uses the current values of the arrays", async () => {
    const own = { ...projected, tokens: { ...projected.tokens, data: projected.tokens.data.slice() } };
    const embedding = await SoftTokenEmbedding.open(pipeline, own);
    const before = await embedding.at(10);
    own.tokens.data.fill(1);
    assert.ok(relativeError(await embedding.at(10), before) > 1);
    await embedding.release();
  });

  it("rejects tokens of another model", async () => {
    const wide = { ...projected, tokens: floatTensor([3, 2, 1536]), timeTable: null };
    await assert.rejects(
      () => SoftTokenEmbedding.open(pipeline, wide),
      (error) => error instanceof InputError && /1536 wide, .* 32 \(projected\) or 48 \(raw\)/.test(error.message),
    );
  });
});

function sum(a: FloatTensor, b: FloatTensor): FloatTensor {
  return { ...a, data: a.data.map((x, i) => x + at(b.data, i)) };
}

function dot(a: FloatTensor, b: FloatTensor): number {
  return a.data.reduce((total, x, i) => total + x * at(b.data, i), 0);
}
