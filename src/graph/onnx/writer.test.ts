import assert from "node:assert/strict";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema, type NodeProto, type TensorProto } from "onnx-buf";
import { floatTensor, intTensor } from "../../core/tensor.js";
import type { OnnxModel } from "../../runtime/model.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { gradientsOfSum } from "../autodiff.js";
import { Graph, type Value } from "../graph.js";
import * as ops from "../ops.js";
import { assertNear, execute, randomFeeds, targets } from "../testing/harness.js";
import { interpret } from "../testing/interpreter.js";
import { numbersOf } from "../testing/numbers.js";
import { readWritten, type WrittenTensor, writeWeightFile } from "../testing/weight-file.js";
import { writeOnnx } from "./writer.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-writer-")));
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

// Headers of odd lengths and an odd number of 16-bit weights put every tensor off its alignment.
const main = await writeWeightFile(join(folder, "unet", "model.safetensors"), 101, {
  f16: { dtype: "F16", shape: [3, 5] },
  f32: { dtype: "F32", shape: [5, 3] },
  bf16: { dtype: "BF16", shape: [3, 3] },
  table: { dtype: "F16", shape: [7, 3] },
  rows: { dtype: "I64", shape: [4], numbers: Float64Array.of(6, 0, 6, 3) },
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

function decoded(model: OnnxModel): GraphProto {
  const { graph } = fromBinary(ModelProtoSchema, model.bytes);
  assert.ok(graph);
  return graph;
}

function typesOf(nodes: readonly NodeProto[]): string[] {
  return nodes.map(({ opType }) => opType);
}

/** The key-value pairs that say where an initializer lies. */
function placeOf({ externalData }: TensorProto): Record<string, string> {
  return Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
}

async function assertRuns(graph: Graph, outputs: readonly Value[]): Promise<void> {
  const feeds = randomFeeds(graph);
  const expected = interpret(graph, outputs, feeds, readWritten);
  for (const [name, target] of Object.entries(targets)) {
    for (const [i, numbers] of (await execute(engine, target, graph, outputs, feeds)).entries()) {
      assertNear(numbers, expected[i], 1e-5, `${name}: output ${i}`, 1);
    }
  }
}

describe("weights in files", () => {
  it("of every type are read from unaligned places", async () => {
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
  it("serve forward and backward passes", async () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 5]);
    const w = weight(graph, main.f16);
    const value = ops.sin(ops.gemm(ops.gelu(ops.gemm(x, w, null, { transposeB: true })), weight(graph, main.f32Again)));
    await assertRuns(graph, [value, ...gradientsOfSum(value, [x, w])]);
  });
  it("are found from the deepest folder that holds all of them", () => {
    const graph = new Graph();
    const [a, b] = [weight(graph, main.f32), weight(graph, other.scale)];
    const both = writeOnnx(graph, { y: ops.matmul(a, ops.reshape(b, [3, 1])) }, engine.target);
    assert.equal(both.weightFolder, folder);
    assert.deepEqual(
      decoded(both).initializer.flatMap((proto) => (proto.externalData.length > 0 ? [placeOf(proto)] : [])),
      [
        { location: "unet/model.safetensors", offset: String(101 + 30), length: "60" },
        { location: "text/encoder/weights.bin", offset: "7", length: "6" },
      ],
    );
    const one = writeOnnx(graph, { y: ops.neg(b) }, engine.target);
    assert.equal(one.weightFolder, join(folder, "text", "encoder"));
    assert.equal(placeOf(decoded(one).initializer[0]).location, "weights.bin");
    assert.equal(writeOnnx(graph, { y: ops.neg(ops.scalar(graph, 1)) }, engine.target).weightFolder, null);
  });
  it("with names that start alike are not mistaken for folders of each other", async () => {
    const tensors = { w: { dtype: "F32", shape: [2] } } as const;
    const [a, b] = [
      await writeWeightFile(join(folder, "model", "a.bin"), 0, tensors),
      await writeWeightFile(join(folder, "model-2", "b.bin"), 0, tensors),
    ];
    const graph = new Graph();
    const model = writeOnnx(graph, { y: ops.add(weight(graph, a.w), weight(graph, b.w)) }, engine.target);
    assert.equal(model.weightFolder, folder);
    const results = await (await engine.compile(model)).run({});
    assert.deepEqual([...numbersOf(results.y)], [...a.w.numbers.map((x, i) => x + b.w.numbers[i])]);
  });
  it("are listed once, however many nodes stand for them", () => {
    const graph = new Graph();
    const [a, b] = [ops.parameter(graph, main.f32), ops.parameter(graph, { ...main.f32 })];
    const proto = decoded(writeOnnx(graph, { y: ops.add(a, b) }, engine.target));
    assert.deepEqual(
      proto.initializer.map(({ name }) => name),
      ["w0:f32"],
    );
  });
  it("of types that graphs do not compute with are refused by name", () => {
    const stored = { ...main.f32, name: "steps", dtype: "I32" } as const;
    assert.throws(() => ops.parameter(new Graph(), stored), { name: "GraphError", message: /steps is stored as I32/ });
  });
});

describe("casts of weights", () => {
  it("come first, one for each reader", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 5]);
    const w = weight(graph, main.f16);
    const hidden = ops.gelu(ops.gemm(x, w, null, { transposeB: true }), "tanh");
    const value = ops.gemm(ops.gemm(hidden, weight(graph, main.bf16)), w);
    const [gradient] = gradientsOfSum(value, [x]);
    const { node } = decoded(writeOnnx(graph, { value, gradient }, engine.target));
    const types = typesOf(node);
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
  it("are made for an operand that one node reads twice", async () => {
    const graph = new Graph();
    const w = weight(graph, main.bf16);
    const value = ops.matmul(w, w);
    assert.deepEqual(typesOf(decoded(writeOnnx(graph, { value }, engine.target)).node), [
      "Cast",
      "Cast",
      "MatMul",
      "Identity",
    ]);
    await assertRuns(graph, [value]);
  });
  it("may be outputs themselves", async () => {
    const graph = new Graph();
    const w = weight(graph, main.f16);
    const { node } = decoded(writeOnnx(graph, { w, again: w }, engine.target));
    assert.deepEqual(typesOf(node), ["Cast", "Cast", "Identity", "Identity"]);
    await assertRuns(graph, [w, ops.neg(w)]);
  });
  it("of other values stay where they are", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    const value = ops.neg(ops.cast(ops.cast(ops.exp(x), "float16"), "float32"));
    const { node } = decoded(writeOnnx(graph, { value }, engine.target));
    assert.deepEqual(typesOf(node), ["Exp", "Cast", "Cast", "Neg", "Identity"]);
  });
});

describe("a model", () => {
  it("holds only what its outputs need", () => {
    const graph = new Graph();
    const [x, idle] = [ops.input(graph, "x", [2]), ops.input(graph, "idle", [2])];
    const y = ops.exp(x);
    ops.sin(y);
    ops.mul(weight(graph, main.f32), ops.constant(graph, floatTensor([5, 3])));
    ops.add(idle, ops.scalar(graph, 4));
    const model = writeOnnx(graph, { y }, engine.target);
    const proto = decoded(model);
    assert.deepEqual(typesOf(proto.node), ["Exp", "Identity"]);
    assert.deepEqual(proto.initializer, []);
    assert.deepEqual(
      proto.input.map(({ name }) => name),
      ["x"],
    );
    assert.deepEqual(
      model.inputs.map(({ name }) => name),
      ["x"],
    );
    assert.equal(model.weightFolder, null);
  });
  it("names and types its inputs and outputs as the graph does, in order", () => {
    const graph = new Graph();
    const x = ops.input(graph, "latents", [2, 3]);
    const rows = ops.input(graph, "token ids", [4], "int64");
    const flag = ops.input(graph, "flag", [], "bool");
    const picked = ops.gather(x, rows);
    const outputs = {
      "noise.prediction": ops.where(flag, picked, 0),
      more: ops.greater(picked, 0),
      loss: ops.reduceSum(x, [0, 1]),
    };
    const model = writeOnnx(graph, outputs, engine.target);
    assert.deepEqual(model.inputs, [
      { name: "latents", dtype: "float32", shape: [2, 3] },
      { name: "token ids", dtype: "int64", shape: [4] },
      { name: "flag", dtype: "bool", shape: [] },
    ]);
    assert.deepEqual(model.outputs, [
      { name: "noise.prediction", dtype: "float32", shape: [4, 3] },
      { name: "more", dtype: "bool", shape: [4, 3] },
      { name: "loss", dtype: "float32", shape: [] },
    ]);
    const { input, output } = decoded(model);
    const described = (infos: typeof input) =>
      infos.map(({ name, type }) => {
        assert.equal(type?.value.case, "tensorType");
        const { elemType, shape } = type.value.value;
        return [name, elemType, ...(shape?.dim.map(({ value }) => Number(value.value)) ?? [])];
      });
    // ONNX element types: 1 float, 7 int64, 9 bool.
    assert.deepEqual(described(input), [
      ["latents", 1, 2, 3],
      ["token ids", 7, 4],
      ["flag", 9],
    ]);
    assert.deepEqual(described(output), [
      ["noise.prediction", 1, 4, 3],
      ["more", 9, 4, 3],
      ["loss", 1],
    ]);
  });
  it("may give one value under several names, and an input or a constant as an output", async () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    const y = ops.neg(x);
    const three = ops.integers(graph, [1], [3]);
    const session = await engine.compile(writeOnnx(graph, { y, also: y, same: x, three }, engine.target));
    const results = await session.run({ x: floatTensor([2], Float32Array.of(1, -2)) });
    assert.deepEqual(results, {
      y: floatTensor([2], Float32Array.of(-1, 2)),
      also: floatTensor([2], Float32Array.of(-1, 2)),
      same: floatTensor([2], Float32Array.of(1, -2)),
      three: intTensor([1], [3]),
    });
  });
  it("writes small equal constants once and keeps large ones apart", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [17]);
    const large = () => ops.constant(graph, floatTensor([17]));
    const y = ops.add(ops.mul(ops.add(x, 2), 2), ops.add(ops.mul(large(), 3), large()));
    const { initializer } = decoded(writeOnnx(graph, { y }, engine.target));
    assert.deepEqual(
      initializer.map(({ dims }) => dims.map(Number)),
      [[], [17], [], [17]],
    );
    // An int64 0 and eight zero bytes of float32 are not the same constant.
    const zeros = new Graph();
    const pair = ops.constant(zeros, floatTensor([2]));
    const both = ops.add(pair, ops.cast(ops.integers(zeros, [1], [0]), "float32"));
    assert.equal(decoded(writeOnnx(zeros, { both }, engine.target)).initializer.length, 2);
  });
  it("names nodes by their place in the network", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 6]);
    const y = graph.within("up.0", () => ops.groupNormalization(x, 2, 1e-5));
    const { node } = decoded(writeOnnx(graph, { y }, engine.target));
    assert.deepEqual(
      node.map(({ name }) => name),
      ["up.0/groupNormalization.1.0", "up.0/groupNormalization.1.1", "up.0/groupNormalization.1.2", ""],
    );
  });
  it("must be legal", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    assert.throws(() => writeOnnx(graph, { x }, engine.target), { name: "GraphError", message: /output name "x"/ });
  });
});

describe("what a target can do", () => {
  const attend = () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [1, 3, 4]);
    return { graph, x, value: ops.attention(x, x, x, { heads: 2 }) };
  };
  it("decides between fused and explicit attention", () => {
    const { graph, value } = attend();
    const fused = decoded(writeOnnx(graph, { value }, targets["fused operators"])).node;
    assert.deepEqual(typesOf(fused), ["MultiHeadAttention", "Identity"]);
    const plain = decoded(writeOnnx(graph, { value }, targets["plain operators"])).node;
    assert.ok(plain.every(({ domain }) => domain === ""));
    assert.equal(typesOf(plain).filter((type) => type === "MatMul").length, 2);
  });
  it("decides where layer normalisation gets its statistics, if anything needs them", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3, 4]);
    const value = ops.layerNormalization(x, 1e-5);
    for (const target of Object.values(targets)) {
      assert.deepEqual(typesOf(decoded(writeOnnx(graph, { value }, target)).node), ["LayerNormalization", "Identity"]);
    }
    const [gradient] = gradientsOfSum(ops.sin(value), [x]);
    const count = (name: string, type: string) =>
      typesOf(decoded(writeOnnx(graph, { gradient }, targets[name])).node).filter((found) => found === type).length;
    assert.equal(count("fused operators", "LayerNormalization"), 1);
    assert.equal(count("plain operators", "LayerNormalization"), 0);
    assert.equal(count("plain operators", "Reciprocal"), 1);
  });
});
