import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { interpret } from "../testing/graph/interpreter.js";
import { Graph } from "./graph.js";
import type { Value } from "./ir.js";
import * as ops from "./ops.js";

function inputOf(...shape: number[]): Value {
  return ops.input(new Graph(), "x", shape);
}

/** Evaluates `value` with the elements 0 to 5 as its graph's input. */
function evaluated(value: Value): number[] {
  const [elements] = interpret(value.graph, [value], { x: [0, 1, 2, 3, 4, 5] });
  return [...elements];
}

describe("operands", () => {
  it("may be numbers on either side", () => {
    const x = inputOf(6);
    assert.deepEqual(evaluated(ops.sub(10, x)), [10, 9, 8, 7, 6, 5]);
    assert.deepEqual(evaluated(ops.div(x, 2)), [0, 0.5, 1, 1.5, 2, 2.5]);
    assert.deepEqual(evaluated(ops.where(ops.greater(x, 2), 1, x)), [0, 1, 2, 1, 1, 1]);
  });
  it("must include a value", () => {
    assert.throws(() => ops.add(1, 2), { name: "GraphError", message: /add: at least one operand/ });
  });
  it("of different types are rejected", () => {
    const x = inputOf(2);
    const whole = ops.input(x.graph, "i", [2], "int64");
    for (const build of [() => ops.add(x, whole), () => ops.greater(whole, x), () => ops.exp(whole)]) {
      assert.throws(build, { name: "GraphError", message: /int64/ });
    }
    assert.throws(() => ops.where(x, x, x), { name: "GraphError", message: /the condition is float32, not bool/ });
    assert.throws(() => ops.gather(x, x), { name: "GraphError", message: /indices are float32/ });
  });
});

describe("axes and positions", () => {
  it("count from the end when negative", () => {
    const x = inputOf(2, 3);
    assert.deepEqual(evaluated(ops.slice(x, -1, -2)), [1, 2, 4, 5]);
    assert.deepEqual(evaluated(ops.slice(x, 1, 0, -1)), [0, 1, 3, 4]);
    assert.deepEqual(evaluated(ops.reduceSum(x, [-1, -2])), [15]);
    assert.deepEqual(evaluated(ops.reverse(x, [-1])), [2, 1, 0, 5, 4, 3]);
    assert.deepEqual(evaluated(ops.reverse(x, [-1, -2])), [5, 4, 3, 2, 1, 0]);
    assert.deepEqual(evaluated(ops.concat([x, x], -2)), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    assert.deepEqual(ops.softmax(x, -2).graph.nodes.at(-1)?.attributes, { axis: 0 });
    assert.equal(x.dim(-1), 3);
  });
  it("outside the tensor are rejected", () => {
    const x = inputOf(2, 3);
    for (const axis of [2, -3, 0.5]) {
      for (const build of [
        () => ops.softmax(x, axis),
        () => ops.reduceSum(x, [axis]),
        () => ops.slice(x, axis, 0, 1),
        () => ops.reverse(x, [axis]),
        () => ops.concat([x, x], axis),
        () => ops.pad(x, axis, 1, 1),
      ]) {
        assert.throws(build, { name: "GraphError", message: /axis .* is outside a tensor of rank 2/ });
      }
    }
    assert.throws(() => x.dim(2), { name: "GraphError", message: /axis 2 of a value of shape \[2,3\]/ });
    for (const [start, end] of [
      [0, 0],
      [2, 1],
      [3, 4],
      [-4, 1],
    ]) {
      assert.throws(() => ops.slice(x, 1, start, end), { name: "GraphError", message: /elements .* of axis 1/ });
    }
  });
});

describe("operators without effect", () => {
  it("return their operand", () => {
    const x = inputOf(2, 3);
    for (const same of [
      ops.reshape(x, [2, 3]),
      ops.reshape(x, [2, -1]),
      ops.transpose(x, [0, 1]),
      ops.expand(x, [2, 3]),
      ops.slice(x, 1, 0),
      ops.slice(x, 1, -3, 9),
      ops.pad(x, 0, 0, 0),
      ops.cast(x, "float32"),
      ops.concat([x], 0),
      ops.reduceSum(x, []),
      ops.reduceMean(x, []),
    ]) {
      assert.equal(same, x);
    }
    assert.notEqual(ops.expand(x, [1, 2, 3]), x);
    assert.notEqual(ops.reshape(x, [1, 2, 3]), x);
  });
});

describe("parts", () => {
  it("of given sizes and of equal sizes cover an axis", () => {
    const x = inputOf(2, 3);
    assert.deepEqual(ops.split(x, 1, [1, 2]).map(evaluated), [
      [0, 3],
      [1, 2, 4, 5],
    ]);
    assert.deepEqual(ops.chunk(x, 3).map(evaluated), [
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    assert.deepEqual(ops.chunk(x, 2, 0).map(evaluated), [
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });
  it("that do not divide the axis are rejected", () => {
    assert.throws(() => ops.chunk(inputOf(2, 3), 2), {
      name: "GraphError",
      message: /an axis of 3 does not divide into 2 equal parts/,
    });
    assert.throws(() => ops.split(inputOf(3), 0, [2, 2, 1]), { name: "GraphError" });
    assert.throws(() => ops.concat([], 0), { name: "GraphError", message: /no values to join/ });
    const x = inputOf(2, 3);
    assert.throws(() => ops.concat([x, ops.transpose(x, [1, 0])], 0), { name: "GraphError", message: /parts differ/ });
  });
});

describe("shape errors", () => {
  it("name the operator, its operands and its scope", () => {
    const graph = new Graph();
    const [x, y] = [ops.input(graph, "x", [2, 3]), ops.input(graph, "y", [2, 4])];
    const within = (build: () => Value) => () => graph.within("net.block.0", build);
    const cases: [() => Value, string][] = [
      [() => ops.add(x, y), "net.block.0: add(float32[2,3], float32[2,4]): [2,3] and [2,4] do not broadcast"],
      [() => ops.matmul(x, y), "net.block.0: matmul(float32[2,3], float32[2,4]): inner sizes 3 and 2 differ"],
      [() => ops.reshape(x, [4, 2]), "net.block.0: reshape(float32[2,3]): cannot reshape [2,3] to [4,2]"],
      [() => ops.expand(x, [2, 1]), "net.block.0: expand(float32[2,3]): [2,3] does not expand to [2,1]"],
      [() => ops.transpose(x, [0, 0]), "net.block.0: transpose(float32[2,3]): [0,0] is not a permutation of 2 axes"],
      [
        () => ops.groupNormalization(x, 2, 1e-5),
        "net.block.0: groupNormalization(float32[2,3]): 2 groups do not divide 3 channels",
      ],
      [
        () => ops.gemm(x, y, x, { transposeA: true }),
        "net.block.0: gemm(float32[2,3], float32[2,4], float32[2,3]): the bias has shape [2,3], but the product has 4 columns",
      ],
      [() => ops.matmul(ops.reshape(x, [6]), y), "net.block.0: matmul(float32[6], float32[2,4]): [6] is not a matrix"],
      [
        () => ops.upsampleNearest(x, 2),
        "net.block.0: upsampleNearest(float32[2,3]): takes a tensor of rank 4, got [2,3]",
      ],
      [() => ops.pad(x, 0, -1, 0), "net.block.0: pad(float32[2,3]): cannot pad with -1 and 0 elements"],
    ];
    for (const [build, message] of cases) assert.throws(within(build), { name: "GraphError", message });
  });
  it("cover convolutions", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [1, 3, 4, 4]);
    const kernel = (...shape: number[]) => ops.input(graph, `k${graph.nodes.length}`, shape);
    const plain = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
    assert.throws(
      () => ops.conv2d(x, kernel(2, 2, 3, 3), plain),
      /3 input channels do not fit a kernel of \[2,2,3,3\]/,
    );
    assert.throws(() => ops.conv2d(x, kernel(2, 3, 5, 3), plain), /\[1,3,4,4\] is smaller than the kernel/);
    assert.throws(
      () => ops.convTranspose2d(x, kernel(2, 3, 3, 3), { ...plain, outputPadding: [0, 0] }),
      /3 input channels do not fit a kernel/,
    );
  });
});

describe("scopes", () => {
  it("replace the outer scope, which an error restores", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    assert.throws(() =>
      graph.within("a", () => {
        throw new RangeError("stop");
      }),
    );
    const y = graph.within("a", () => graph.within("a.b", () => ops.neg(x)));
    assert.deepEqual([graph.producerOf(y).scope, graph.producerOf(ops.neg(x)).scope, graph.scope], ["a.b", "", ""]);
  });
});
