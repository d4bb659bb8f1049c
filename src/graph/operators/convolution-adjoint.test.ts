import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeOf } from "../../core/tensor.js";
import { assertNear, eighths } from "../../testing/graph/harness.js";
import { interpret } from "../../testing/graph/interpreter.js";
import { Graph } from "../graph.js";
import * as ops from "../ops.js";
import type { ConvolutionAttributes } from "./attributes.js";
import { adjointWays, fastestWay } from "./convolution-adjoint.js";

const plain: ConvolutionAttributes = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };
const cases = [
  { dy: [1, 3, 4, 5], kernel: [3, 2, 3, 3], attributes: { ...plain, pads: [1, 1, 1, 1] } },
  { dy: [2, 2, 3, 4], kernel: [2, 3, 3, 2], attributes: { ...plain, pads: [2, 1, 0, 0] } },
  { dy: [2, 2, 5, 4], kernel: [2, 2, 2, 3], attributes: { ...plain, dilations: [2, 3], pads: [0, 4, 2, 1] } },
  { dy: [2, 3, 2, 3], kernel: [3, 2, 1, 1], attributes: plain },
] as const;

describe("the gradient of a convolution towards its image", () => {
  for (const [name, way] of Object.entries(adjointWays)) {
    for (const { dy, kernel, attributes } of cases) {
      it(`is the same by ${name}: [${dy}] and a kernel [${kernel}]`, () => {
        const graph = new Graph();
        const [x, k] = [ops.input(graph, "dy", dy), ops.input(graph, "kernel", kernel)];
        const expected = graph.one("convTranspose2d", [x, k], { ...attributes, outputPadding: [0, 0] });
        const feeds = { dy: eighths(sizeOf(dy)), kernel: eighths(sizeOf(kernel)) };
        const value = way(x, k, attributes);
        assert.deepEqual(value.shape, expected.shape);
        const [found, reference] = interpret(graph, [value, expected], feeds);
        assert.ok(reference.some((number) => number !== 0));
        assertNear(found, reference, 1e-12, name);
      });
    }
  }

  it("puts into another order what is smallest", () => {
    const way = (batch: number, channels: number, side: number, repacksWeights = false) =>
      fastestWay([batch, channels, side, side], [channels, channels, 3, 3], { repacksWeights });
    assert.equal(way(1, 320, 64), "turnedKernel");
    assert.equal(way(1, 640, 32), "turnedKernel");
    assert.equal(way(4, 1280, 16), "turnedImages");
    assert.equal(way(1, 1280, 16), "sumOfPatches");
    assert.equal(way(4, 1280, 8), "sumOfPatches");
    assert.equal(way(1, 1280, 8, true), "turnedKernel");
  });
});
