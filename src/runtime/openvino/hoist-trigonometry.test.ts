import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { floatTensor } from "../../core/tensor.js";
import { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import * as ops from "../../graph/ops.js";
import { timestepEmbedding } from "../../models/layers.js";
import { hoistTrigonometry } from "./hoist-trigonometry.js";

const target = {
  fusedAttention: false,
  layerNormStatistics: false,
  hiddenShapes: false,
  repacksWeights: true,
  sharesCasts: true,
};

function hoist(build: (graph: Graph) => Value) {
  const graph = new Graph();
  const { graph: proto } = fromBinary(ModelProtoSchema, writeOnnx(graph, { y: build(graph) }, target).bytes);
  assert.ok(proto);
  const hoisted = hoistTrigonometry(proto);
  return { hoisted, proto, opTypes: proto.node.map(({ opType }) => opType) };
}

describe("hoistTrigonometry", () => {
  it("computes the sines and cosines of timestep embeddings", () => {
    const { hoisted, proto, opTypes } = hoist((graph) => timestepEmbedding(ops.input(graph, "timestep", [2]), 8));
    assert.ok(!opTypes.includes("Sin") && !opTypes.includes("Cos") && opTypes.includes("Concat"));
    assert.equal(proto.input.length, 3);
    const timestep = floatTensor([2], Float32Array.of(987.3, 0));
    const found = hoisted.map(({ shape, compute }) => ({ shape, values: [...compute({ timestep })] }));
    const frequencies = [1, 0.1, 0.01, 0.001].map(Math.fround);
    for (const [index, apply] of [Math.cos, Math.sin].entries()) {
      assert.deepEqual(found[index].shape, [2, 4]);
      for (const [place, value] of found[index].values.entries()) {
        const expected = apply(timestep.data[Math.floor(place / 4)] * frequencies[place % 4]);
        assert.ok(Math.abs(value - expected) < 1e-4, `${value} ${expected}`);
      }
    }
  });
  it("follows sums, differences and quotients with broadcasting", () => {
    const { hoisted } = hoist((graph) => {
      const [a, b] = [ops.input(graph, "a", [2, 1]), ops.input(graph, "b", [3])];
      return ops.sin(ops.sub(ops.div(ops.add(a, b), b), 1));
    });
    const feeds = { a: floatTensor([2, 1], Float32Array.of(1, 2)), b: floatTensor([3], Float32Array.of(1, 2, 4)) };
    const expected = [1, 0.5, 0.25, 2, 1, 0.5].map((x) => Math.fround(Math.sin(x)));
    assert.deepEqual([...hoisted[0].compute(feeds)], expected);
  });
  it("keeps sines and cosines that depend on other operators", () => {
    const { hoisted, opTypes } = hoist((graph) => {
      const x = ops.input(graph, "x", [2, 2]);
      return ops.add(ops.sin(ops.matmul(x, x)), ops.cos(ops.exp(x)));
    });
    assert.equal(hoisted.length, 0);
    assert.ok(opTypes.includes("Sin") && opTypes.includes("Cos"));
  });
});
