import assert from "node:assert/strict";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { decodeGraph, externalDataOf, opTypesOf } from "../../testing/graph/decode-graph.js";
import { assertNear, execute, randomFeeds, targets } from "../../testing/graph/harness.js";
import { interpret } from "../../testing/graph/interpreter.js";
import { valuesOf } from "../../testing/graph/nd-array.js";
import { readWrittenWeight, type WrittenTensor, writeWeightFile } from "../../testing/graph/weight-file.js";
import { gradientsOfSum } from "../autodiff.js";
import { Graph } from "../graph.js";
import type { Value } from "../ir.js";
import * as ops from "../ops.js";
import { writeOnnx } from "./writer.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-writer-")));
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

// Headers of odd lengths and an odd number of 16-bit weights make every tensor unaligned.
const main = await writeWeightFile(join(folder, "unet", "model.safetensors"), 101, {
  f16: { dtype: "F16", shape: [3, 5] },
  f32: { dtype: "F32", shape: [5, 3] },
  bf16: { dtype: "BF16", shape: [3, 3] },
  table: { dtype: "F16", shape: [7, 3] },
  rows: { dtype: "I64", shape: [4], values: Float64Array.of(6, 0, 6, 3) },
  f32Again: { dtype: "F32", shape: [3, 3] },
});
const other = await writeWeightFile(join(folder, "text", "encoder", "weights.bin"), 7, {
  scale: { dtype: "BF16", shape: [3] },
  shift: { dtype: "F32", shape: [] },
});

/** A weight as float32. */
function weight(graph: Graph, stored: WrittenTensor): Value {
  return ops.cast(ops.parameter(graph, stored), "float32");
}

async function assertRuns(graph: Graph, outputs: readonly Value[]): Promise<void> {
  const feeds = randomFeeds(graph);
  const expected = interpret(graph, outputs, feeds, readWrittenWeight);
  for (const [name, target] of Object.entries(targets)) {
    for (const [i, numbers] of (await execute(engine, target, graph, outputs, feeds)).entries()) {
      assertNear(numbers, expected[i], 1e-5, `${name}: output ${i}`, 1);
    }
  }
}

describe("weights in files", () => {
  it("of every type are read from unaligned offsets", async () => {
    for (const { offset, dtype } of Object.values(main)) assert.ok(dtype === "I64" || offset % 2 === 1);
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 5]);
    const outputs = [main.f16, main.f32, main.bf16, main.rows, main.table, other.scale, other.shift].map((stored) =>
      weight(graph, stored),
    );
    const hidden = ops.gemm(ops.gemm(x, weight(graph, main.f16), null, { transposeB: true }), weight(graph, main.bf16));
    const value = ops.add(ops.mul(hidden, weight(graph, other.scale)), weight(graph, other.shift));
    await assertRuns(graph, [...outputs, ops.matmul(value, weight(graph, main.f32), { transposeB: true }), value]);
  });
  it("are gathered in their stored type, by stored indices", async () => {
    const graph = new Graph();
    const picked = ops.gather(ops.parameter(graph, main.table), ops.parameter(graph, main.rows));
    await assertRuns(graph, [ops.cast(picked, "float32")]);
  });
  it("are read by forward and backward passes", async () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 5]);
    const w = weight(graph, main.f16);
    const value = ops.sin(ops.gemm(ops.gelu(ops.gemm(x, w, null, { transposeB: true })), weight(graph, main.f32Again)));
    await assertRuns(graph, [value, ...gradientsOfSum(value, [x, w])]);
  });
  it("are located relative to their deepest common folder", () => {
    const graph = new Graph();
    const [a, b] = [weight(graph, main.f32), weight(graph, other.scale)];
    const both = writeOnnx(graph, { y: ops.matmul(a, ops.reshape(b, [3, 1])) }, engine.target);
    assert.equal(both.weightFolder, folder);
    assert.deepEqual(
      decodeGraph(both).initializer.flatMap((proto) => (proto.externalData.length > 0 ? [externalDataOf(proto)] : [])),
      [
        { location: "unet/model.safetensors", offset: String(101 + 30), length: "60" },
        { location: "text/encoder/weights.bin", offset: "7", length: "6" },
      ],
    );
    const one = writeOnnx(graph, { y: ops.neg(b) }, engine.target);
    assert.equal(one.weightFolder, join(folder, "text", "encoder"));
    assert.equal(externalDataOf(decodeGraph(one).initializer[0]).location, "weights.bin");
    assert.equal(writeOnnx(graph, { y: ops.neg(ops.scalar(graph, 1)) }, engine.target).weightFolder, null);
  });
  it("may be in folders whose names share a prefix", async () => {
    const tensors = { w: { dtype: "F32", shape: [2] } } as const;
    const [a, b] = [
      await writeWeightFile(join(folder, "model", "a.bin"), 0, tensors),
      await writeWeightFile(join(folder, "model-2", "b.bin"), 0, tensors),
    ];
    const graph = new Graph();
    const model = writeOnnx(graph, { y: ops.add(weight(graph, a.w), weight(graph, b.w)) }, engine.target);
    assert.equal(model.weightFolder, folder);
    const results = await (await engine.compile(model)).run({});
    assert.deepEqual([...valuesOf(results.y)], [...a.w.values.map((x, i) => x + b.w.values[i])]);
  });
  it("are listed once for several parameter nodes", () => {
    const graph = new Graph();
    const [a, b] = [ops.parameter(graph, main.f32), ops.parameter(graph, { ...main.f32 })];
    const proto = decodeGraph(writeOnnx(graph, { y: ops.add(a, b) }, engine.target));
    assert.deepEqual(
      proto.initializer.map(({ name }) => name),
      ["w0:f32"],
    );
  });
  it("of unsupported types are rejected by name", () => {
    const stored = { ...main.f32, name: "steps", dtype: "I32" } as const;
    assert.throws(() => ops.parameter(new Graph(), stored), { name: "GraphError", message: /steps is stored as I32/ });
  });
});

describe("casts of weights", () => {
  it("come first, one per reader", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 5]);
    const w = weight(graph, main.f16);
    const hidden = ops.gelu(ops.gemm(x, w, null, { transposeB: true }), "tanh");
    const value = ops.gemm(ops.gemm(hidden, weight(graph, main.bf16)), w);
    const [gradient] = gradientsOfSum(value, [x]);
    const { node } = decodeGraph(writeOnnx(graph, { value, gradient }, engine.target));
    const types = opTypesOf(node);
    // Each of the three products reads its weight forward and backward.
    assert.deepEqual(types.slice(0, 6), ["Cast", "Cast", "Cast", "Cast", "Cast", "Cast"]);
    assert.equal(types.lastIndexOf("Cast"), 5);
    assert.deepEqual(
      node.slice(0, 6).map(({ input }) => input[0].replace(/^w\d+:/, "")),
      ["f16", "bf16", "f16", "f16", "bf16", "f16"],
    );
    for (const { output } of node.slice(0, 6)) {
      assert.equal(node.filter(({ input }) => input.includes(output[0])).length, 1);
    }
  });
  it("are written twice for an operand that one node reads twice", async () => {
    const graph = new Graph();
    const w = weight(graph, main.bf16);
    const value = ops.matmul(w, w);
    assert.deepEqual(opTypesOf(decodeGraph(writeOnnx(graph, { value }, engine.target)).node), [
      "Cast",
      "Cast",
      "MatMul",
      "Identity",
    ]);
    await assertRuns(graph, [value]);
  });
  it("may be outputs", async () => {
    const graph = new Graph();
    const w = weight(graph, main.f16);
    const { node } = decodeGraph(writeOnnx(graph, { w, again: w }, engine.target));
    assert.deepEqual(opTypesOf(node), ["Cast", "Cast", "Identity", "Identity"]);
    await assertRuns(graph, [w, ops.neg(w)]);
  });
  it("of other values stay in place", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    const value = ops.neg(ops.cast(ops.cast(ops.exp(x), "float16"), "float32"));
    const { node } = decodeGraph(writeOnnx(graph, { value }, engine.target));
    assert.deepEqual(opTypesOf(node), ["Exp", "Cast", "Cast", "Neg", "Identity"]);
  });
});
