import assert from "node:assert/strict";
import { it } from "node:test";
import { gradientsOfSum } from "./autodiff.js";
import { countFlops } from "./flops.js";
import { Graph } from "./graph.js";
import * as ops from "./ops.js";

const plain = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;

it("counts two operations per multiply-add of the products that the outputs need", () => {
  const graph = new Graph();
  const [a, b] = [ops.input(graph, "a", [2, 3, 5]), ops.input(graph, "b", [2, 5, 7])];
  const product = ops.matmul(a, b);
  assert.deepEqual(countFlops(graph, [product]), { executed: 2 * 2 * 3 * 5 * 7, useful: 2 * 2 * 3 * 5 * 7 });
  const transposed = ops.matmul(ops.transpose(a, [0, 2, 1]), ops.transpose(b, [0, 2, 1]), {
    transposeA: true,
    transposeB: true,
  });
  assert.equal(countFlops(graph, [transposed]).executed, 2 * 2 * 3 * 5 * 7);
  assert.equal(countFlops(graph, [ops.sin(a)]).executed, 0);
  // Scores and values: each [3, 5] for every one of the 8 columns.
  const [q, k] = [ops.input(graph, "q", [2, 3, 8]), ops.input(graph, "k", [2, 5, 8])];
  assert.equal(countFlops(graph, [ops.attention(q, k, k, { heads: 4 })]).executed, 2 * 2 * 2 * 3 * 5 * 8);
  const [image, kernel] = [ops.input(graph, "image", [1, 3, 4, 4]), ops.input(graph, "kernel", [2, 3, 3, 3])];
  assert.equal(countFlops(graph, [ops.conv2d(image, kernel, plain)]).executed, 2 * (2 * 4 * 4) * (3 * 3 * 3));
});

it("counts the recomputation of checkpoints separately", () => {
  const graph = new Graph();
  const [x, w] = [ops.input(graph, "x", [3, 4]), ops.input(graph, "w", [4, 4])];
  const value = graph.checkpoint(() => ops.sin(ops.matmul(ops.sin(ops.matmul(x, w)), w)));
  const outputs = [value, ...gradientsOfSum(ops.exp(value), [x])];
  const product = 2 * 3 * 4 * 4;
  // Two products forward, two again, two backward.
  assert.deepEqual(countFlops(graph, outputs), { executed: 6 * product, useful: 4 * product });
});
