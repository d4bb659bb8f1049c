import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertGradients, assertNear, randomFeeds } from "../../testing/graph/harness.js";
import { interpret } from "../../testing/graph/interpreter.js";
import { gradientsOfSum } from "../autodiff.js";
import { Graph } from "../graph.js";
import type { Value } from "../ir.js";
import * as ops from "../ops.js";
import { attentionVjp } from "./attention.js";
import { operandsOf } from "./operands.js";

const [batch, queries, keys, heads, width] = [2, 3, 5, 6, 12];
const bytesPerHead = batch * queries * keys * 4;

function inputsOf(graph: Graph, bias: readonly number[] | null, valueWidth = width): Value[] {
  const shapes = [
    [batch, queries, width],
    [batch, keys, width],
    [batch, keys, valueWidth],
  ];
  return [...shapes, ...(bias === null ? [] : [bias])].map((shape, i) => ops.input(graph, `x${i}`, shape));
}

function attend([query, key, value, bias]: readonly Value[]): Value {
  return ops.attention(query, key, value, { heads, bias });
}

/** The VJP's results with a limit for one matrix, and the number of groups of heads. */
function inGroups(bias: readonly number[] | null, matrixBytes: number) {
  const graph = new Graph();
  const inputs = inputsOf(graph, bias);
  const output = attend(inputs);
  const node = graph.producerOf(output);
  assert.equal(node.op, "attention");
  const dy = ops.input(graph, "dy", output.shape);
  const needed = operandsOf(
    "attention",
    inputs.map(() => true),
  );
  const results = attentionVjp({ ...node, dy, needed }, matrixBytes).flatMap((gradient, i) =>
    // The gradient of a broadcast bias is larger than the bias; the walker sums it.
    gradient === null ? [] : [i === 3 ? ops.mul(gradient, inputs[3]) : gradient],
  );
  const groups = graph.nodes.filter(({ op }) => op === "softmax").length;
  return { groups, numbers: interpret(graph, results, randomFeeds(graph)), shapes: results.map(({ shape }) => shape) };
}

describe("the gradient of attention in groups of heads", () => {
  for (const bias of [null, [2, 6, 3, 5], [1, 6, 3, 5], [2, 1, 3, 5], [1, 1, 3, 5]]) {
    it(`equals the gradient in one group, with ${bias === null ? "no bias" : `a bias [${bias}]`}`, () => {
      const whole = inGroups(bias, Number.POSITIVE_INFINITY);
      assert.equal(whole.groups, 1);
      const expected = whole.numbers.map((numbers, i) =>
        // For a bias shared by all heads, a group returns sums over its heads.
        i === 3 && bias?.[1] === 1 ? sumOverHeads(numbers) : numbers,
      );
      for (const [budget, groups] of [
        [1, 6],
        [bytesPerHead, 6],
        [2 * bytesPerHead, 3],
        [3 * bytesPerHead, 2],
        [5 * bytesPerHead, 2],
        [6 * bytesPerHead - 1, 2],
        [6 * bytesPerHead, 1],
      ]) {
        const parts = inGroups(bias, budget);
        assert.equal(parts.groups, groups, `budget ${budget}`);
        assert.equal(parts.numbers.length, expected.length);
        for (const [i, numbers] of parts.numbers.entries()) {
          const summed = i === 3 && bias?.[1] === 1 ? sumOverHeads(numbers) : numbers;
          assertNear(summed, expected[i], 1e-13, `result ${i} in ${groups} groups`);
        }
      }
    });
  }
});

/** [N, any heads, Lq, Lk] -> [N, Lq, Lk]. */
function sumOverHeads(numbers: Float64Array): Float64Array {
  const matrix = queries * keys;
  const perBatch = numbers.length / batch;
  return new Float64Array(batch * matrix).map((_, i) => {
    const start = Math.floor(i / matrix) * perBatch + (i % matrix);
    let total = 0;
    for (let offset = 0; offset < perBatch; offset += matrix) total += numbers[start + offset];
    return total;
  });
}

describe("the gradient of attention", () => {
  it("computes only the products that its targets need", () => {
    const products = (...wanted: number[]) => {
      const graph = new Graph();
      const inputs = inputsOf(graph, [1, 6, 3, 5]);
      gradientsOfSum(
        attend(inputs),
        wanted.map((index) => inputs[index]),
      );
      return graph.nodes.filter(({ op }) => op === "matmul").length;
    };
    // The scores always, dP for all except the values, then one product each, none for the bias.
    assert.deepEqual([products(0), products(1), products(2), products(3)], [3, 3, 2, 2]);
    assert.deepEqual([products(0, 1), products(1, 2), products(0, 1, 2), products(0, 1, 2, 3)], [4, 4, 5, 5]);
  });
  it("supports values of another width unless both sides need gradients", () => {
    for (const wanted of [[0], [1], [2], [3], [0, 1, 3], [2, 3]]) {
      const graph = new Graph();
      const inputs = inputsOf(graph, [1, 1, 3, 5], 6);
      assertGradients(
        attend(inputs),
        wanted.map((index) => inputs[index]),
        randomFeeds(graph),
      );
    }
    const inputs = inputsOf(new Graph(), null, 6);
    assert.throws(() => gradientsOfSum(attend(inputs), [inputs[0], inputs[2]]), {
      name: "GraphError",
      message: /same width as queries/,
    });
  });
});

describe("attention rejects", () => {
  const graph = new Graph();
  const x = (...shape: number[]) => ops.input(graph, `x${graph.nodes.length}`, shape);
  const assertRejected = (message: RegExp, count: number, ...[query, key, value, bias]: Value[]) =>
    assert.throws(() => ops.attention(query, key, value, { heads: count, bias }), { name: "GraphError", message });
  it("widths that the heads do not divide or that differ", () => {
    assertRejected(/5 heads do not divide/, 5, x(1, 3, 6), x(1, 3, 6), x(1, 3, 6));
    assertRejected(/2 heads do not divide/, 2, x(1, 3, 6), x(1, 3, 4), x(1, 3, 6));
    assertRejected(/2 heads do not divide/, 2, x(1, 3, 6), x(1, 3, 6), x(1, 3, 5));
  });
  it("batches and lengths that differ", () => {
    assertRejected(/batch sizes differ/, 1, x(2, 3, 4), x(1, 3, 4), x(1, 3, 4));
    assertRejected(/batch sizes differ/, 1, x(2, 3, 4), x(2, 3, 4), x(2, 4, 4));
  });
  it("biases that do not fit the scores", () => {
    for (const shape of [
      [1, 1, 1, 5],
      [1, 1, 3, 1],
      [3, 1, 3, 5],
      [1, 4, 3, 5],
      [2, 2, 5, 3],
    ]) {
      assertRejected(
        /a bias of \[.*\] does not fit scores of \[2,2,3,5\]/,
        2,
        x(2, 3, 4),
        x(2, 5, 4),
        x(2, 5, 4),
        x(...shape),
      );
    }
    assertRejected(/rank 4/, 2, x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), x(3, 5));
  });
});
