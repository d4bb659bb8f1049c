/** @file The contract suite of engines. */

import assert from "node:assert/strict";
import { mkdtemp, realpath, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { RuntimeFailure } from "../../core/errors.js";
import { floatTensor, intTensor, type Tensor, type TensorOf } from "../../core/tensor.js";
import { gradientsOfSum } from "../../graph/autodiff.js";
import { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import type { OnnxModel, Target } from "../../graph/onnx/model.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import * as ops from "../../graph/ops.js";
import { type Engine, type Session, targetFor } from "../../runtime/engine.js";
import { writeWeightFile } from "../graph/weight-file.js";

/** Picks rows of x [2, 3] by the indices `rows` [2]. */
export function gatherModel(engine: Engine): OnnxModel {
  const graph = new Graph();
  const picked = ops.gather(ops.input(graph, "x", [2, 3]), ops.input(graph, "rows", [2], "int64"));
  return writeOnnx(graph, { picked }, engine.target);
}

/** A model that runs for a few hundred milliseconds. */
function slowModel(engine: Engine): OnnxModel {
  const graph = new Graph();
  const x = ops.input(graph, "x", [512, 512]);
  let value: Value = x;
  for (let i = 0; i < 16; i++) value = ops.tanh(ops.matmul(value, x));
  return writeOnnx(graph, { y: ops.reduceSum(value, [0, 1]) }, engine.target);
}

const slowFeeds = { x: floatTensor([512, 512], new Float32Array(512 * 512).fill(1e-3)) };
export const x = floatTensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
export const rows = intTensor([2], [1, 1]);

/** Asserts that `action` rejects with a RuntimeFailure whose message is one short line. */
export async function assertFails(action: () => Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(action, (error) => {
    assert.ok(error instanceof RuntimeFailure);
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n") && error.message.length < 300, error.message);
    return true;
  });
}

/** `open` opens an engine that computes in fp32. */
export function engineContract(open: () => Promise<Engine>): void {
  let engine: Engine;
  let folder: string;
  before(async () => {
    engine = await open();
    folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-contract-")));
  });
  after(async () => {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe("a run", () => {
    it("rejects wrong inputs by name", async () => {
      const session = await engine.compile(gatherModel(engine));
      const wrong: [Record<string, Tensor>, RegExp][] = [
        [{ x }, /^input rows is missing$/],
        [{}, /^input x is missing$/],
        [{ x, rows, mask: x, more: x }, /^the model has no input mask, more$/],
        [{ x: floatTensor([3, 2]), rows }, /^input x must be float32\[2,3\], got float32\[3,2\] with 6 elements$/],
        [{ x: floatTensor([6]), rows }, /^input x must be float32\[2,3\], got float32\[6\]/],
        [{ x, rows: floatTensor([2]) }, /^input rows must be int64\[2\], got float32\[2\] with 2 elements$/],
        [
          { x: { ...x, data: new Float32Array(5) }, rows },
          /^input x must be float32\[2,3\], got float32\[2,3\] with 5/,
        ],
      ];
      for (const [feeds, message] of wrong) await assertFails(() => session.run(feeds), message);
      assert.deepEqual(await session.run({ x, rows }), {
        picked: floatTensor([2, 3], Float32Array.of(4, 5, 6, 4, 5, 6)),
      });
    });
    it("does not change the caller's arrays, and accepts subarrays", async () => {
      const session = await engine.compile(gatherModel(engine));
      const all = Float32Array.of(9, 9, 1, 2, 3, 4, 5, 6, 9);
      const part = floatTensor([2, 3], all.subarray(2, 8));
      const first = await session.run({ x: part, rows });
      const second = await session.run({ x: part, rows });
      assert.deepEqual([...all], [9, 9, 1, 2, 3, 4, 5, 6, 9]);
      assert.deepEqual([...rows.data], [1n, 1n]);
      assert.deepEqual(first, second);
      assert.notEqual(first.picked.data.buffer, second.picked.data.buffer);
    });
    it("passes every type through unchanged, float16 as bit patterns", async () => {
      const graph = new Graph();
      const given: Record<string, Tensor> = {
        float: floatTensor([2], Float32Array.of(-0.1, Number.POSITIVE_INFINITY)),
        half: { dtype: "float16", shape: [3], data: Uint16Array.of(0x3c00, 0x8001, 0x7bff) },
        // OpenVINO computes integers in 32 bits.
        whole: intTensor([2], [-1, 2 ** 30]),
        truth: { dtype: "bool", shape: [2, 1], data: Uint8Array.of(1, 0) },
        // Buffers share a memory pool, which a run must not transfer to the worker.
        pooled: { dtype: "bool", shape: [3], data: Buffer.from([1, 0, 1]) } satisfies TensorOf<"bool">,
        scalar: floatTensor([], Float32Array.of(3)),
      };
      const outputs = Object.entries(given).map(([name, { shape, dtype }]): [string, Value] => [
        `same ${name}`,
        ops.input(graph, name, shape, dtype),
      ]);
      const session = await engine.compile(writeOnnx(graph, Object.fromEntries(outputs), engine.target));
      const results = await session.run(given);
      for (const [name, tensor] of Object.entries(given)) {
        const { dtype, shape, data } = results[`same ${name}`];
        assert.deepEqual([dtype, shape, [...data]], [tensor.dtype, tensor.shape, [...tensor.data]]);
      }
      assert.equal(results["same half"].data.constructor, Uint16Array);
      assert.deepEqual(given.pooled.data, Buffer.from([1, 0, 1]));
    });
    it("reads unaligned weights from their files", async () => {
      const shapes = { half: { dtype: "F16", shape: [2, 3] }, whole: { dtype: "F32", shape: [2, 3] } } as const;
      const { half, whole } = await writeWeightFile(join(folder, "some", "weights.bin"), 3, shapes);
      const graph = new Graph();
      const sum = ops.add(ops.cast(ops.parameter(graph, half), "float32"), ops.parameter(graph, whole));
      const session = await engine.compile(
        writeOnnx(graph, { y: ops.add(sum, ops.input(graph, "x", [2, 3])) }, engine.target),
      );
      const { y } = await session.run({ x });
      const expected = [...half.values].map((value, index) => value + whole.values[index] + x.data[index]);
      for (const [index, value] of expected.entries()) assert.ok(Math.abs(Number(y.data[index]) - value) < 1e-5);
      await session.release();
    });
    for (const repacked of [false, true]) {
      it(`reads square weights transposed and untransposed in one graph${repacked ? ", repacked" : ""}`, () =>
        assertReadsBothWays(targetFor(engine, repacked)));
    }
    /** Compares a kernel and a matrix from a file, read untransposed and transposed, with the same values as inputs. */
    async function assertReadsBothWays(target: Target): Promise<void> {
      const shapes = {
        matrix: { dtype: "F16", shape: [32, 32] },
        kernel: { dtype: "F32", shape: [32, 32, 3, 3] },
      } as const;
      const { matrix, kernel } = await writeWeightFile(join(folder, "square.bin"), 4, shapes);
      const image = floatTensor(
        [1, 32, 8, 8],
        new Float32Array(2048).map((_, index) => Math.sin(index)),
      );
      const gradientOf = async (from: "file" | "input") => {
        const graph = new Graph();
        const weight = (stored: typeof matrix | typeof kernel, name: string) =>
          from === "input" ? ops.input(graph, name, stored.shape) : ops.cast(ops.parameter(graph, stored), "float32");
        const x = ops.input(graph, "image", image.shape);
        const sizes = { strides: [2, 2], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
        const read = weight(kernel, "kernel");
        const halved = ops.conv2d(ops.conv2d(x, read, { ...sizes, strides: [1, 1] }), read, sizes);
        const tokens = ops.transpose(ops.reshape(halved, [32, 16]), [1, 0]);
        const y = ops.matmul(tokens, weight(matrix, "matrix"), { transposeB: true });
        const [dx] = gradientsOfSum(ops.mul(y, y), [x]);
        const session = await engine.compile(writeOnnx(graph, { dx }, target));
        const tensorFrom = ({ shape, values }: typeof matrix | typeof kernel) =>
          floatTensor(shape, Float32Array.from(values));
        const feeds = from === "input" ? { kernel: tensorFrom(kernel), matrix: tensorFrom(matrix) } : {};
        const { dx: found } = await session.run({ image, ...feeds });
        await session.release();
        return Float32Array.from(found.data, Number);
      };
      const [expected, found] = [await gradientOf("input"), await gradientOf("file")];
      const largest = Math.max(...expected.map(Math.abs));
      assert.ok(found.every((value, index) => Math.abs(value - expected[index]) < 1e-4 * largest));
    }
    it("waits for other runs of the same engine", async () => {
      const session = await engine.compile(gatherModel(engine));
      const doubled = await engine.compile(gatherModel(engine));
      const requests = Array.from({ length: 20 }, (_, i) => intTensor([2], [i % 2, 0]));
      const results = await Promise.all(requests.map((row, i) => (i % 3 ? session : doubled).run({ x, rows: row })));
      for (const [i, { picked }] of results.entries()) assert.equal(picked.data[0], i % 2 ? 4 : 1);
    });
    it("does not block the event loop", async () => {
      const session = await engine.compile(slowModel(engine));
      await session.run(slowFeeds);
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      const run = session.run(slowFeeds).then(() => ticks);
      assert.ok((await run) >= 1, "no timer ticked during the run");
      clearInterval(timer);
      await session.release();
    });
  });

  describe("a session", () => {
    it("cannot be run after its release; a second release does nothing", async () => {
      const session = await engine.compile(gatherModel(engine));
      await session.run({ x, rows });
      await session.release();
      await assertFails(() => session.run({ x, rows }), /^the session has been released$/);
      await session.release();
    });
    it("lists the inputs and outputs of its model", async () => {
      const model = gatherModel(engine);
      const { inputs, outputs } = await engine.compile(model);
      assert.deepEqual({ inputs, outputs }, { inputs: model.inputs, outputs: model.outputs });
    });
  });
  describe("a model that cannot be prepared", () => {
    it("is rejected with a one-line message", async () => {
      const model = gatherModel(engine);
      for (const bytes of [new Uint8Array(), Uint8Array.of(1, 2, 3), model.bytes.slice(0, -5)]) {
        await assertFails(() => engine.compile({ ...model, bytes }), /cannot prepare the model: \S+/);
      }
    });
    it("is reported if its weight file is missing or truncated", async () => {
      const file = join(folder, "weights.bin");
      const { w } = await writeWeightFile(file, 3, { w: { dtype: "F32", shape: [64, 64] } });
      const compileWith = (stored: typeof w) => {
        const graph = new Graph();
        const y = ops.matmul(ops.input(graph, "x", [1, 64]), ops.parameter(graph, stored));
        return engine.compile(writeOnnx(graph, { y }, engine.target));
      };
      await (await compileWith(w)).release();
      await assertFails(
        () => compileWith({ ...w, file: join(folder, "gone.bin") }),
        /cannot prepare the model: .*gone\.bin/,
      );
      await truncate(file, 1000);
      await assertFails(() => compileWith(w), /cannot prepare the model: \S+/);
    });
    it("leaves the engine usable", async () => {
      const session = await engine.compile(gatherModel(engine));
      assert.deepEqual([...(await session.run({ x, rows })).picked.data], [4, 5, 6, 4, 5, 6]);
    });
  });
  describe("closing an engine", () => {
    it("waits for the current run, rejects new ones, and may be repeated", async () => {
      const other = await open();
      const session = await other.compile(slowModel(other));
      const order: string[] = [];
      const run = session.run(slowFeeds).then(() => order.push("run"));
      const closed = other.close().then(() => order.push("closed"));
      // If this run were accepted, the worker would be terminated inside it, which aborts the process.
      const late = assertFails(() => session.run(slowFeeds), /^the engine is closed$/);
      await Promise.all([run, closed, late]);
      assert.deepEqual(order, ["run", "closed"]);
      await other.close();
      await assertFails(() => other.compile(gatherModel(engine)), /the engine is closed/);
      await assertFails(() => session.release(), /the engine is closed/);
    });
    it("does not affect another engine", async () => {
      const other = await open();
      const [first, second] = await Promise.all([engine, other].map((each) => each.compile(gatherModel(each))));
      await Promise.all([first, second].map((session: Session) => session.run({ x, rows })));
      await other.close();
      assert.deepEqual([...(await first.run({ x, rows })).picked.data], [4, 5, 6, 4, 5, 6]);
    });
  });
}
