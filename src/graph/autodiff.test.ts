import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertGradients, assertNear, operatorsFor, randomFeeds } from "../testing/graph/harness.js";
import { interpret } from "../testing/graph/interpreter.js";
import type { StoredTensor } from "../weights/source.js";
import { gradients, gradientsOfSum } from "./autodiff.js";
import { Graph } from "./graph.js";
import type { Value } from "./ir.js";
import * as ops from "./ops.js";

/** Operators of the nodes that `body` adds, without leaves. */
function added(graph: Graph, body: () => unknown): string[] {
  const start = graph.nodes.length;
  body();
  return graph.nodes.slice(start).flatMap(({ op, inputs }) => (inputs.length === 0 ? [] : [op]));
}

/** A weight whose file is never read. */
const stored: StoredTensor = { name: "w", dtype: "F32", shape: [4, 4], file: "/nowhere", offset: 0, length: 64 };

describe("sums of gradients", () => {
  it("are reduced over broadcast axes, both leading and inner", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3, 1, 2]);
    const y = ops.input(graph, "y", [5, 1]);
    const z = ops.input(graph, "z", [4, 3, 5, 2]);
    assertGradients(ops.mul(ops.add(ops.mul(x, y), z), ops.sin(y)), [x, y, z], randomFeeds(graph));
  });
  it("keep a size of 1 that was not broadcast", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [1, 3]);
    const y = ops.input(graph, "y", [1, 1]);
    const gradient = assertGradients(ops.mul(x, y), [x, y], randomFeeds(graph));
    assert.deepEqual(
      gradient.map(({ shape }) => shape),
      [
        [1, 3],
        [1, 1],
      ],
    );
  });
  it("add up over all uses of a value", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 3]);
    const squares = ops.mul(x, x);
    const value = ops.add(ops.mul(squares, ops.sin(x)), ops.sub(squares, ops.reduceSum(x, [0])));
    assertGradients(value, [x], randomFeeds(graph));
  });
  it("count both uses of an operand that one node reads twice", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3, 3]);
    const value = ops.matmul(x, x, { transposeB: true });
    const attended = ops.attention(
      ops.reshape(value, [1, 3, 3]),
      ops.reshape(value, [1, 3, 3]),
      ops.reshape(x, [1, 3, 3]),
      {
        heads: 1,
      },
    );
    assertGradients(ops.concat([attended, attended], 1), [x], randomFeeds(graph));
  });
  it("come from several seeds", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    const [square, sine] = [ops.mul(x, x), ops.sin(x)];
    const ones = ops.expand(ops.scalar(graph, 1), [3]);
    const [gradient] = gradients(
      [
        { value: square, cotangent: ones },
        { value: sine, cotangent: ops.mul(ones, 2) },
        { value: x, cotangent: ones },
        { value: square, cotangent: ones },
      ],
      [x],
    );
    const numbers = Float64Array.of(-1, 0.5, 2);
    const [result] = interpret(graph, [gradient], { x: numbers });
    assertNear(
      result,
      numbers.map((a) => 4 * a + 2 * Math.cos(a) + 1),
      1e-12,
      "4x + 2 cos x + 1",
    );
  });
  it("of a value with respect to itself are its cotangent", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    assert.deepEqual(interpret(graph, gradientsOfSum(x, [x]), { x: [3, 4] }), [Float64Array.of(1, 1)]);
  });
});

describe("a value that was split", () => {
  /** The gradient of a function of slices of x [2, 5] along axis 1. */
  function gradientOf(parts: readonly (readonly [number, number])[], also: (x: Value) => Value[] = () => []) {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 5]);
    const terms = parts.map(([start, end], i) =>
      ops.reduceSum(ops.mul(ops.sin(ops.slice(x, 1, start, end)), i + 1), [1]),
    );
    const value = [...terms, ...also(x)].reduce((a, b) => ops.add(a, b));
    return operatorsFor(assertGradients(value, [x], randomFeeds(graph)));
  }
  it("has one concat as its gradient when the parts tile it", () => {
    for (const parts of [
      [
        [0, 2],
        [2, 3],
        [3, 5],
      ],
      [
        [3, 5],
        [0, 2],
        [2, 3],
      ],
    ] as const) {
      const used = gradientOf(parts);
      assert.ok(used.includes("concat"));
      assert.ok(!used.includes("pad") && !used.includes("add"));
    }
  });
  it("has padded parts as its gradient when they leave a gap, overlap, or the value has other readers", () => {
    for (const parts of [
      [
        [0, 2],
        [3, 5],
      ],
      [
        [0, 2],
        [2, 4],
      ],
      [
        [1, 2],
        [2, 5],
      ],
      [
        [0, 3],
        [2, 5],
      ],
      [
        [0, 3],
        [0, 3],
        [3, 5],
      ],
    ] as const) {
      const used = gradientOf(parts);
      assert.ok(used.includes("pad") && !used.includes("concat"), JSON.stringify(parts));
    }
    const used = gradientOf(
      [
        [0, 2],
        [2, 5],
      ],
      (x) => [ops.reduceSum(ops.cos(x), [1])],
    );
    assert.ok(used.includes("pad") && !used.includes("concat"));
  });
  it("along two axes is not treated as a tiling", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3, 3]);
    const rows = ops.reduceSum(ops.sin(ops.slice(x, 0, 0, 2)), [0]);
    const columns = ops.reduceSum(ops.sin(ops.slice(x, 1, 2, 3)), [0]);
    assertGradients(ops.mul(rows, columns), [x], randomFeeds(graph));
  });
});

describe("frozen values", () => {
  it("get no gradient nodes", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3, 4]);
    const weight = ops.parameter(graph, stored);
    const bias = ops.input(graph, "bias", [4]);
    const value = ops.gemm(ops.gemm(x, weight, bias, { transposeB: true }), weight, bias);
    const cotangent = ops.input(graph, "cotangent", [3, 4]);
    const seed = [{ value, cotangent }];
    assert.deepEqual(
      added(graph, () => gradients(seed, [x])),
      ["gemm", "gemm"],
    );
    assert.deepEqual(
      added(graph, () => gradients(seed, [weight])),
      ["gemm", "gemm", "gemm", "add"],
    );
    assert.deepEqual(
      added(graph, () => gradients(seed, [bias])),
      ["gemm", "reduceSum", "reduceSum", "add"],
    );
  });
  it("get none when only a later value is a target", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    const middle = ops.sin(ops.exp(x));
    const value = ops.mul(ops.exp(middle), x);
    const [gradient] = gradientsOfSum(value, [middle]);
    assert.deepEqual(
      graph.nodes.slice(value.producer + 1).flatMap(({ op, inputs }) => (inputs.length === 0 ? [] : [op])),
      ["expand", "mul", "mul"],
    );
    const numbers = Float64Array.of(0.5, -1, 1);
    const [result] = interpret(graph, [gradient], { x: numbers });
    assertNear(
      result,
      numbers.map((a) => Math.exp(Math.sin(Math.exp(a))) * a),
      1e-12,
      "d value / d middle",
    );
  });
  it("get none when the differentiated value does not depend on them", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    const value = ops.sin(x);
    ops.exp(x);
    const made = added(graph, () => gradients([{ value, cotangent: x }], [x]));
    assert.deepEqual(made, ["cos", "mul"]);
  });
});

describe("intermediate targets", () => {
  it("have total derivatives, including paths through other targets", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    const a = ops.sin(x);
    const b = ops.mul(a, a);
    const value = ops.mul(ops.exp(b), a);
    const towards = gradientsOfSum(value, [x, a, b]);
    const numbers = Float64Array.of(0.5, -1, 1);
    const [dx, da, db] = interpret(graph, towards, { x: numbers });
    const sine = numbers.map(Math.sin);
    assertNear(
      db,
      sine.map((s) => Math.exp(s * s) * s),
      1e-12,
      "dL/db",
    );
    assertNear(
      da,
      sine.map((s) => Math.exp(s * s) * (1 + 2 * s * s)),
      1e-12,
      "dL/da",
    );
    assertNear(
      dx,
      da.map((d, i) => d * Math.cos(numbers[i])),
      1e-12,
      "dL/dx",
    );
  });
  it("allow second derivatives", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 3]);
    const w = ops.input(graph, "w", [3, 3]);
    const hidden = ops.gelu(ops.matmul(x, w), "tanh");
    const [gradient] = gradientsOfSum(ops.softmax(ops.mul(hidden, hidden)), [hidden]);
    assertGradients(ops.mul(gradient, gradient), [x, w], randomFeeds(graph));
  });
});

describe("differentiation rejects", () => {
  const graph = new Graph();
  const x = ops.input(graph, "x", [2, 3]);
  const other = ops.input(graph, "other", [2, 3]);
  it("a call without values", () => {
    assert.throws(() => gradients([], [x]), { name: "GraphError", message: /no value/ });
  });
  it("a cotangent of another shape or type", () => {
    const cotangent = ops.input(graph, "small", [3]);
    assert.throws(() => gradients([{ value: x, cotangent }], [x]), {
      name: "GraphError",
      message: /shape or type differs/,
    });
    const integral = ops.input(graph, "integral", [2, 3], "int64");
    assert.throws(() => gradients([{ value: x, cotangent: integral }], [x]), {
      name: "GraphError",
      message: /shape or type differs/,
    });
  });
  it("a target that the value does not depend on", () => {
    assert.throws(() => gradientsOfSum(ops.sin(x), [x, other]), { name: "GraphError", message: /target 1 does not/ });
    assert.throws(() => gradientsOfSum(ops.where(ops.greater(x, other), 1, 2), [x]), /target 0 does not/);
    const rows = ops.cast(ops.reduceSum(x, [1]), "int64");
    assert.throws(() => gradientsOfSum(ops.gather(other, rows), [x]), /target 0 does not/);
    assert.equal(gradientsOfSum(ops.gather(other, rows), [other]).length, 1);
  });
  it("a path through a by-product of an operator", () => {
    const [, inverse] = graph.append("layerNormalization", [x], { epsilon: 1e-5 });
    assert.throws(() => gradientsOfSum(inverse, [x]), { name: "GraphError", message: /only the first output/ });
    const [gradient] = gradientsOfSum(ops.sin(ops.layerNormalization(x, 1e-5)), [x]);
    assert.throws(() => gradientsOfSum(gradient, [x]), { name: "GraphError", message: /only the first output/ });
  });
});
