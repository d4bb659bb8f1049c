/** @file What every engine does; each runs this suite. */

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

/** x [2, 3] and row numbers [2] -> those rows of x. */
export function picking(engine: Engine): OnnxModel {
  const graph = new Graph();
  const picked = ops.gather(ops.input(graph, "x", [2, 3]), ops.input(graph, "rows", [2], "int64"));
  return writeOnnx(graph, { picked }, engine.target);
}

/** Work for some hundred milliseconds. */
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

/** One line that a user can read, of the kind that the command line expects. */
export async function fails(action: () => Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(action, (error) => {
    assert.ok(error instanceof RuntimeFailure);
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n") && error.message.length < 300, error.message);
    return true;
  });
}

/** Opens engines of one kind, which compute in fp32. */
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
    it("names what is wrong with its inputs", async () => {
      const session = await engine.compile(picking(engine));
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
      for (const [feeds, message] of wrong) await fails(() => session.run(feeds), message);
      assert.deepEqual(await session.run({ x, rows }), {
        picked: floatTensor([2, 3], Float32Array.of(4, 5, 6, 4, 5, 6)),
      });
    });
    it("leaves the caller's arrays alone, and takes parts of larger ones", async () => {
      const session = await engine.compile(picking(engine));
      const all = Float32Array.of(9, 9, 1, 2, 3, 4, 5, 6, 9);
      const part = floatTensor([2, 3], all.subarray(2, 8));
      const first = await session.run({ x: part, rows });
      const second = await session.run({ x: part, rows });
      assert.deepEqual([...all], [9, 9, 1, 2, 3, 4, 5, 6, 9]);
      assert.deepEqual([...rows.data], [1n, 1n]);
      assert.deepEqual(first, second);
      assert.notEqual(first.picked.data.buffer, second.picked.data.buffer);
    });
    it("passes every type through unchanged, halves as patterns", async () => {
      const graph = new Graph();
      const given: Record<string, Tensor> = {
        float: floatTensor([2], Float32Array.of(-0.1, Number.POSITIVE_INFINITY)),
        half: { dtype: "float16", shape: [3], data: Uint16Array.of(0x3c00, 0x8001, 0x7bff) },
        // OpenVINO computes whole numbers in 32 bits.
        whole: intTensor([2], [-1, 2 ** 30]),
        truth: { dtype: "bool", shape: [2, 1], data: Uint8Array.of(1, 0) },
        // Buffers share one pool of memory, of which a run must not take hold.
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
    it("reads weights from their files, however they lie there", async () => {
      const shapes = { half: { dtype: "F16", shape: [2, 3] }, whole: { dtype: "F32", shape: [2, 3] } } as const;
      const { half, whole } = await writeWeightFile(join(folder, "some", "weights.bin"), 3, shapes);
      const graph = new Graph();
      const sum = ops.add(ops.cast(ops.parameter(graph, half), "float32"), ops.parameter(graph, whole));
      const session = await engine.compile(
        writeOnnx(graph, { y: ops.add(sum, ops.input(graph, "x", [2, 3])) }, engine.target),
      );
      const { y } = await session.run({ x });
      const expected = [...half.numbers].map((value, index) => value + whole.numbers[index] + x.data[index]);
      for (const [index, value] of expected.entries()) assert.ok(Math.abs(Number(y.data[index]) - value) < 1e-5);
      await session.release();
    });
    for (const repacked of [false, true]) {
      it(`reads weights of as many outputs as inputs both ways in one graph${repacked ? ", repacked" : ""}`, () =>
        readsBothWays(targetFor(engine, repacked)));
    }
    /** Kernel and matrix from a file, read straight and transposed, against the same numbers as inputs. */
    async function readsBothWays(target: Target): Promise<void> {
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
        const given = ({ shape, numbers }: typeof matrix | typeof kernel) =>
          floatTensor(shape, Float32Array.from(numbers));
        const feeds = from === "input" ? { kernel: given(kernel), matrix: given(matrix) } : {};
        const { dx: found } = await session.run({ image, ...feeds });
        await session.release();
        return Float32Array.from(found.data, Number);
      };
      const [expected, found] = [await gradientOf("input"), await gradientOf("file")];
      const largest = Math.max(...expected.map(Math.abs));
      assert.ok(found.every((value, index) => Math.abs(value - expected[index]) < 1e-4 * largest));
    }
    it("waits for others of the same engine", async () => {
      const session = await engine.compile(picking(engine));
      const doubled = await engine.compile(picking(engine));
      const wanted = Array.from({ length: 20 }, (_, i) => intTensor([2], [i % 2, 0]));
      const results = await Promise.all(wanted.map((row, i) => (i % 3 ? session : doubled).run({ x, rows: row })));
      for (const [i, { picked }] of results.entries()) assert.equal(picked.data[0], i % 2 ? 4 : 1);
    });
    it("keeps the event loop alive", async () => {
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
      const session = await engine.compile(picking(engine));
      await session.run({ x, rows });
      await session.release();
      await fails(() => session.run({ x, rows }), /^the session has been released$/);
      await session.release();
    });
    it("lists the inputs and outputs of its model", async () => {
      const model = picking(engine);
      const { inputs, outputs } = await engine.compile(model);
      assert.deepEqual({ inputs, outputs }, { inputs: model.inputs, outputs: model.outputs });
    });
  });
  describe("a model that cannot be prepared", () => {
    it("is refused with one line", async () => {
      const model = picking(engine);
      for (const bytes of [new Uint8Array(), Uint8Array.of(1, 2, 3), model.bytes.slice(0, -5)]) {
        await fails(() => engine.compile({ ...model, bytes }), /cannot prepare the model: \S+/);
      }
    });
    it("is one whose weight file is missing, or too short", async () => {
      const file = join(folder, "weights.bin");
      const { w } = await writeWeightFile(file, 3, { w: { dtype: "F32", shape: [64, 64] } });
      const compileWith = (stored: typeof w) => {
        const graph = new Graph();
        const y = ops.matmul(ops.input(graph, "x", [1, 64]), ops.parameter(graph, stored));
        return engine.compile(writeOnnx(graph, { y }, engine.target));
      };
      await (await compileWith(w)).release();
      await fails(() => compileWith({ ...w, file: join(folder, "gone.bin") }), /cannot prepare the model: .*gone\.bin/);
      await truncate(file, 1000);
      await fails(() => compileWith(w), /cannot prepare the model: \S+/);
    });
    it("leaves the engine usable", async () => {
      const session = await engine.compile(picking(engine));
      assert.deepEqual([...(await session.run({ x, rows })).picked.data], [4, 5, 6, 4, 5, 6]);
    });
  });
  describe("closing an engine", () => {
    it("waits for the run under way, lets nothing more in, and may be done twice", async () => {
      const other = await open();
      const session = await other.compile(slowModel(other));
      const order: string[] = [];
      const run = session.run(slowFeeds).then(() => order.push("run"));
      const closed = other.close().then(() => order.push("closed"));
      // Were this run let in, the worker would be ended inside it, which aborts the whole process.
      const late = fails(() => session.run(slowFeeds), /^the engine is closed$/);
      await Promise.all([run, closed, late]);
      assert.deepEqual(order, ["run", "closed"]);
      await other.close();
      await fails(() => other.compile(picking(engine)), /the engine is closed/);
      await fails(() => session.release(), /the engine is closed/);
    });
    it("does not disturb another engine", async () => {
      const other = await open();
      const [mine, its] = await Promise.all([engine, other].map((each) => each.compile(picking(each))));
      await Promise.all([mine, its].map((session: Session) => session.run({ x, rows })));
      await other.close();
      assert.deepEqual([...(await mine.run({ x, rows })).picked.data], [4, 5, 6, 4, 5, 6]);
    });
  });
}
