import assert from "node:assert/strict";
import { it } from "node:test";
import { gradientsOfSum } from "./autodiff.js";
import { Graph } from "./graph.js";
import { estimateMemory } from "./memory.js";
import * as ops from "./ops.js";

const row = 4 * 100;

it("frees a value after its last reader; reshapes are views", () => {
  const graph = new Graph();
  const x = ops.input(graph, "x", [100]);
  const once = ops.exp(x);
  assert.equal(estimateMemory(graph, [ops.tanh(ops.sin(once))]).activations, 2 * row);
  // The transposed copy needs its own buffer.
  const square = ops.input(graph, "square", [10, 10]);
  assert.equal(estimateMemory(graph, [ops.transpose(square, [1, 0])]).activations, 2 * row);
  assert.equal(estimateMemory(graph, [ops.reshape(square, [100])]).activations, row);
  // The sum reads the first result again, so it stays allocated.
  assert.equal(estimateMemory(graph, [ops.add(ops.sin(once), once)]).activations, 3 * row);
});

it("keeps outputs to the end, and ignores nodes that the outputs do not need", () => {
  const graph = new Graph();
  const x = ops.input(graph, "x", [100]);
  const first = ops.exp(x);
  ops.concat([first, first, first], 0);
  const wide = ops.concat([first, first], 0);
  assert.equal(estimateMemory(graph, [first]).activations, 2 * row);
  assert.equal(estimateMemory(graph, [first, wide]).activations, 3 * row);
});

it("allocates all parts of a completely split value together", () => {
  const graph = new Graph();
  const x = ops.input(graph, "x", [2, 100]);
  const [first, second] = [ops.slice(x, 0, 0, 1), ops.slice(x, 0, 1, 2)];
  const far = ops.reduceSum(ops.sin(ops.tanh(first)), [1]);
  // The operand with both halves, or with one half if nothing reads the other.
  assert.equal(estimateMemory(graph, [ops.add(far, ops.reduceSum(second, [1]))]).activations, 4 * row);
  assert.equal(estimateMemory(graph, [far]).activations, 3 * row);
});

it("counts weights as they are stored", () => {
  const graph = new Graph();
  const stored = { name: "w", dtype: "F16", shape: [10, 10], file: "/w", offset: 0, length: 200 } as const;
  const weight = ops.cast(ops.parameter(graph, stored), "float32");
  const product = ops.matmul(ops.input(graph, "x", [10, 10]), weight);
  // The operand, the weight in float32, the result.
  assert.deepEqual(estimateMemory(graph, [product]), { activations: 3 * row, weights: 200 });
});

it("estimates less memory with checkpoints", () => {
  const peak = (checkpoints: boolean): number => {
    const graph = new Graph({ checkpoints });
    const x = ops.input(graph, "x", [10, 10]);
    let value = x;
    for (let block = 0; block < 8; block++) {
      const before = value;
      value = graph.checkpoint(() => ops.exp(ops.sin(ops.tanh(ops.matmul(before, before)))));
    }
    return estimateMemory(graph, gradientsOfSum(value, [x])).activations;
  };
  assert.ok(peak(true) < 0.7 * peak(false), `${peak(true)} of ${peak(false)}`);
});
