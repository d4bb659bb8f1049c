import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeOf } from "../../core/tensor.js";
import { assertNear, randomEighths } from "../../testing/graph/harness.js";
import { interpret } from "../../testing/graph/interpreter.js";
import { Graph } from "../graph.js";
import * as ops from "../ops.js";
import type { ConvolutionAttributes } from "./attributes.js";
import { adjointMethods, fastestMethod } from "./convolution-adjoint.js";

const plain: ConvolutionAttributes = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };
const cases = [
  { dy: [1, 3, 4, 5], kernel: [3, 2, 3, 3], attributes: { ...plain, pads: [1, 1, 1, 1] } },
  { dy: [2, 2, 3, 4], kernel: [2, 3, 3, 2], attributes: { ...plain, pads: [2, 1, 0, 0] } },
  { dy: [2, 2, 5, 4], kernel: [2, 2, 2, 3], attributes: { ...plain, dilations: [2, 3], pads: [0, 4, 2, 1] } },
  { dy: [2, 3, 2, 3], kernel: [3, 2, 1, 1], attributes: plain },
] as const;

describe("the gradient of a convolution with respect to its input", () => {
  for (const [name, method] of Object.entries(adjointMethods)) {
    for (const { dy, kernel, attributes } of cases) {
      it(`equals convTranspose2d by ${name}: dy [${dy}], kernel [${kernel}]`, () => {
        const graph = new Graph();
        const [x, k] = [ops.input(graph, "dy", dy), ops.input(graph, "kernel", kernel)];
        const expected = graph.appendSingle("convTranspose2d", [x, k], { ...attributes, outputPadding: [0, 0] });
        const feeds = { dy: randomEighths(sizeOf(dy)), kernel: randomEighths(sizeOf(kernel)) };
        const value = method(x, k, attributes);
        assert.deepEqual(value.shape, expected.shape);
        const [found, reference] = interpret(graph, [value, expected], feeds);
        assert.ok(reference.some((number) => number !== 0));
        assertNear(found, reference, 1e-12, name);
      });
    }
  }

  it("rearranges the smallest operand", () => {
    const methodFor = (batch: number, channels: number, side: number, repacksWeights = false) =>
      fastestMethod([batch, channels, side, side], [channels, channels, 3, 3], { repacksWeights });
    assert.equal(methodFor(1, 320, 64), "flippedKernel");
    assert.equal(methodFor(1, 640, 32), "flippedKernel");
    assert.equal(methodFor(4, 1280, 16), "flippedInput");
    assert.equal(methodFor(1, 1280, 16), "col2im");
    assert.equal(methodFor(4, 1280, 8), "col2im");
    assert.equal(methodFor(1, 1280, 8, true), "flippedKernel");
  });
});
