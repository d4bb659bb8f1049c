import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { floatTensor, intTensor } from "../../core/tensor.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { decodeGraph, opTypesOf } from "../../testing/graph/decode-graph.js";
import { targets } from "../../testing/graph/harness.js";
import type { StoredTensor } from "../../weights/source.js";
import { gradientsOfSum } from "../autodiff.js";
import { Graph } from "../graph.js";
import * as ops from "../ops.js";
import { writeOnnx } from "./writer.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

const unusedWeight: StoredTensor = { name: "w", dtype: "F32", shape: [5, 3], file: "/nowhere", offset: 0, length: 60 };

describe("a model", () => {
  it("contains only what its outputs need", () => {
    const graph = new Graph();
    const [x, idle] = [ops.input(graph, "x", [2]), ops.input(graph, "idle", [2])];
    const y = ops.exp(x);
    ops.sin(y);
    ops.mul(ops.parameter(graph, unusedWeight), ops.constant(graph, floatTensor([5, 3])));
    ops.add(idle, ops.scalar(graph, 4));
    const model = writeOnnx(graph, { y }, engine.target);
    const proto = decodeGraph(model);
    assert.deepEqual(opTypesOf(proto.node), ["Exp", "Identity"]);
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
  it("lists the graph's inputs and outputs with names and types, in order", () => {
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
    const { input, output } = decodeGraph(model);
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
  it("supports one value under several names, and inputs and constants as outputs", async () => {
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
  it("writes equal small constants once, but not large ones", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [17]);
    const large = () => ops.constant(graph, floatTensor([17]));
    const y = ops.add(ops.mul(ops.add(x, 2), 2), ops.add(ops.mul(large(), 3), large()));
    const { initializer } = decodeGraph(writeOnnx(graph, { y }, engine.target));
    assert.deepEqual(
      initializer.map(({ dims }) => dims.map(Number)),
      [[], [17], [], [17]],
    );
    // The bytes of float16 and bfloat16 constants may be equal, but the constants differ.
    const halves = new Graph();
    const data = Uint16Array.of(0x3c00, 0);
    const [half, bfloat] = (["float16", "bfloat16"] as const).map((dtype) =>
      ops.cast(ops.constant(halves, { dtype, shape: [2], data }), "float32"),
    );
    assert.equal(decodeGraph(writeOnnx(halves, { y: ops.add(half, bfloat) }, engine.target)).initializer.length, 2);
  });
  it("names nodes by their scope", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 6]);
    const y = graph.within("up.0", () => ops.groupNormalization(x, 2, 1e-5));
    const { node } = decodeGraph(writeOnnx(graph, { y }, engine.target));
    assert.deepEqual(
      node.map(({ name }) => name),
      ["up.0/groupNormalization.1.0", "up.0/groupNormalization.1.1", "up.0/groupNormalization.1.2", ""],
    );
  });
  it("is checked for legality", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    assert.throws(() => writeOnnx(graph, { x }, engine.target), { name: "GraphError", message: /output name "x"/ });
  });
});

describe("the target", () => {
  const attentionGraph = () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [1, 3, 4]);
    return { graph, x, value: ops.attention(x, x, x, { heads: 2 }) };
  };
  it("selects fused or explicit attention", () => {
    const { graph, value } = attentionGraph();
    const fused = decodeGraph(writeOnnx(graph, { value }, targets["fused operators"])).node;
    assert.deepEqual(opTypesOf(fused), ["MultiHeadAttention", "Identity"]);
    const plain = decodeGraph(writeOnnx(graph, { value }, targets["plain operators"])).node;
    assert.ok(plain.every(({ domain }) => domain === ""));
    assert.equal(opTypesOf(plain).filter((type) => type === "MatMul").length, 2);
  });
  it("selects how layer normalisation computes its statistics, if they are used", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3, 4]);
    const value = ops.layerNormalization(x, 1e-5);
    for (const target of Object.values(targets)) {
      assert.deepEqual(opTypesOf(decodeGraph(writeOnnx(graph, { value }, target)).node), [
        "LayerNormalization",
        "Identity",
      ]);
    }
    const [gradient] = gradientsOfSum(ops.sin(value), [x]);
    const count = (name: string, type: string) =>
      opTypesOf(decodeGraph(writeOnnx(graph, { gradient }, targets[name])).node).filter((found) => found === type)
        .length;
    assert.equal(count("fused operators", "LayerNormalization"), 1);
    assert.equal(count("plain operators", "LayerNormalization"), 0);
    assert.equal(count("plain operators", "Reciprocal"), 1);
  });
});
