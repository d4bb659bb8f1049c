import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { floatTensor } from "../core/tensor.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { measureInChild } from "../testing/graph/child.js";
import { assertNear, execute, operatorsFor, randomFeeds } from "../testing/graph/harness.js";
import { interpret } from "../testing/graph/interpreter.js";
import { gradients, gradientsOfSum } from "./autodiff.js";
import { Graph } from "./graph.js";
import type { Value } from "./ir.js";
import * as ops from "./ops.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

/** Runs `body`, as a checkpoint or not. */
type Region = <T>(body: () => T) => T;

/** Builds a function of some inputs with regions; returns its value and the targets of differentiation. */
type Model = (graph: Graph, region: Region) => { readonly value: Value; readonly targets: readonly Value[] };

/** Builds the model and its gradients, with its regions as checkpoints or not; outputs are the value, then the gradients. */
function differentiated(model: Model, checkpointed: boolean) {
  const graph = new Graph();
  const { value, targets } = model(graph, checkpointed ? (body) => graph.checkpoint(body) : (body) => body());
  assert.equal(graph.regions.length > 0, checkpointed);
  return { graph, outputs: [value, ...gradientsOfSum(value, targets)] };
}

/** Asserts that gradients with checkpoints equal those without, in float64 and in onnxruntime. */
async function assertSameGradients(model: Model): Promise<{ plain: Graph; checkpointed: Graph }> {
  const [plain, checkpointed] = [differentiated(model, false), differentiated(model, true)];
  const feeds = randomFeeds(plain.graph);
  const expected = interpret(plain.graph, plain.outputs, feeds);
  for (const [i, numbers] of interpret(checkpointed.graph, checkpointed.outputs, feeds).entries()) {
    assertNear(numbers, expected[i], 1e-14, `output ${i} in float64`);
  }
  const actual = await execute(engine, engine.target, checkpointed.graph, checkpointed.outputs, feeds);
  for (const [i, numbers] of actual.entries()) assertNear(numbers, expected[i], 1e-5, `output ${i}`);
  return { plain: plain.graph, checkpointed: checkpointed.graph };
}

/** How many nodes of `op` are recomputed. */
function recomputed(graph: Graph, op: string): number {
  return graph.nodes.filter((node) => node.op === op && node.scope.endsWith("recompute")).length;
}

/** A residual block with every kind of by-product: normalisation, attention, GELU. */
function block(x: Value, w: Value): Value {
  const normal = ops.layerNormalization(x, 1e-5);
  const attended = ops.add(x, ops.attention(normal, normal, normal, { heads: 2 }));
  return ops.add(attended, ops.gelu(ops.matmul(attended, w), "tanh"));
}

describe("checkpoints do not change the gradients of", () => {
  it("one region", async () => {
    const { checkpointed } = await assertSameGradients((graph, region) => {
      const [x, w] = [ops.input(graph, "x", [1, 3, 4]), ops.input(graph, "w", [4, 4])];
      return { value: ops.sin(region(() => block(x, w))), targets: [x, w] };
    });
    for (const op of ["layerNormalization", "attention", "gelu", "matmul"]) {
      assert.equal(recomputed(checkpointed, op), 1, op);
    }
    assert.equal(recomputed(checkpointed, "sin"), 0);
  });
  it("several consecutive regions, with and without nodes in between", async () => {
    const { checkpointed } = await assertSameGradients((graph, region) => {
      const [start, w] = [ops.input(graph, "x", [1, 3, 4]), ops.input(graph, "w", [4, 4])];
      let x = start;
      for (let layer = 0; layer < 4; layer++) {
        const before = x;
        x = region(() => block(before, w));
        if (layer === 1) x = ops.tanh(x);
      }
      return { value: x, targets: [start, w] };
    });
    assert.equal(recomputed(checkpointed, "attention"), 4);
  });
  it("regions with several inputs and outputs, and outer values used inside and outside", async () => {
    await assertSameGradients((graph, region) => {
      const [x, y] = [ops.input(graph, "x", [2, 3]), ops.input(graph, "y", [3])];
      const outer = ops.exp(x);
      const [a, b] = region(() => {
        const inner = ops.mul(outer, y);
        return [ops.sin(inner), ops.mul(inner, ops.mul(x, outer))];
      });
      return { value: ops.add(ops.mul(a, ops.mul(b, outer)), ops.sub(b, y)), targets: [y, x, outer] };
    });
  });
  it("weights, constants and indices inside and before a region", async () => {
    await assertSameGradients((graph, region) => {
      const x = ops.input(graph, "x", [4, 3]);
      const table = ops.constant(
        graph,
        floatTensor(
          [3, 3],
          Float32Array.from({ length: 9 }, (_, i) => Math.cos(i)),
        ),
      );
      const outerRows = ops.integers(graph, [3], [3, 3, 0]);
      const value = region(() => {
        const rows = ops.integers(graph, [2], [2, 1]);
        const picked = ops.concat([ops.gather(x, outerRows), ops.gather(ops.sin(x), rows)], 0);
        const kept = ops.where(ops.greater(picked, 0.25), ops.mul(picked, 3), ops.exp(picked));
        return ops.matmul(kept, table, { transposeB: true });
      });
      return { value: ops.mul(value, value), targets: [x] };
    });
  });
  it("indices and flags that are inputs", async () => {
    await assertSameGradients((graph, region) => {
      const x = ops.input(graph, "x", [4, 3]);
      const rows = ops.cast(ops.mul(ops.input(graph, "rows", [5]), 0.9), "int64");
      const large = ops.greater(ops.input(graph, "limit", [3]), x);
      const picked = ops.mul(rows, rows);
      const value = region(() => ops.where(large, ops.exp(x), ops.reduceSum(ops.sin(ops.gather(x, picked)), [0])));
      return { value, targets: [x] };
    });
  });
  it("a region whose only input is a weight", async () => {
    await assertSameGradients((graph, region) => {
      const w = ops.constant(graph, floatTensor([2], Float32Array.of(0.5, -1)));
      const scaled = ops.mul(w, 3);
      return { value: region(() => ops.mul(ops.sin(scaled), ops.exp(w))), targets: [w, scaled] };
    });
  });
  it("a region whose result is unused", async () => {
    const { checkpointed } = await assertSameGradients((graph, region) => {
      const x = ops.input(graph, "x", [2, 3]);
      region(() => ops.gelu(ops.sin(x)));
      const value = region(() => ops.exp(x));
      region(() => ops.tanh(value));
      return { value, targets: [x] };
    });
    assert.deepEqual(
      ["gelu", "tanh", "exp"].map((op) => recomputed(checkpointed, op)),
      [0, 0, 1],
    );
  });
  it("a region that depends on no target", async () => {
    const { checkpointed } = await assertSameGradients((graph, region) => {
      const [x, y] = [ops.input(graph, "x", [2, 3]), ops.input(graph, "y", [2, 3])];
      const frozen = region(() => ops.gelu(ops.sin(x)));
      return { value: ops.mul(frozen, y), targets: [y] };
    });
    assert.equal(recomputed(checkpointed, "gelu"), 0);
  });
  it("targets between two regions", async () => {
    await assertSameGradients((graph, region) => {
      const [x, w] = [ops.input(graph, "x", [1, 3, 4]), ops.input(graph, "w", [4, 4])];
      const middle = ops.add(
        region(() => block(x, w)),
        1,
      );
      return { value: region(() => block(middle, w)), targets: [middle, x] };
    });
  });
  it("a value that passes from one region to another", async () => {
    await assertSameGradients((graph, region) => {
      const x = ops.input(graph, "x", [3]);
      const first = region(() => ops.exp(x));
      return { value: region(() => ops.mul(ops.sin(first), x)), targets: [x] };
    });
  });
  it("values kept inside a region, at its boundary, and read outside", async () => {
    const { checkpointed } = await assertSameGradients((graph, region) => {
      const [x, w] = [ops.input(graph, "x", [1, 3, 4]), ops.input(graph, "w", [4, 4])];
      const attend = (value: Value) => graph.keep(ops.attention(value, value, value, { heads: 2 }));
      const first = region(() => ops.tanh(ops.matmul(attend(ops.exp(x)), w)));
      const second = region(() => attend(ops.sin(ops.matmul(first, w))));
      const [third, fourth] = region(() => {
        const kept = graph.keep(ops.mul(ops.cos(second), second));
        return [kept, ops.mul(ops.gelu(kept), w.dim(0))];
      });
      return { value: ops.add(ops.mul(fourth, ops.exp(third)), second), targets: [x, w] };
    });
    assert.deepEqual(
      ["attention", "tanh", "cos", "gelu"].map((op) => recomputed(checkpointed, op)),
      [0, 1, 1, 1],
    );
  });
  it("kept values of operators with by-products, which are recomputed anyway", async () => {
    const { checkpointed } = await assertSameGradients((graph, region) => {
      const x = ops.input(graph, "x", [3, 4]);
      return { value: region(() => ops.sin(graph.keep(ops.layerNormalization(ops.exp(x), 1e-5)))), targets: [x] };
    });
    assert.equal(recomputed(checkpointed, "layerNormalization"), 1);
  });
  it("values kept outside any region", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    assert.equal(graph.keep(x), x);
  });
  it("seeds inside a region, including one that the region uses itself", () => {
    const numbers = (checkpointed: boolean) => {
      const graph = new Graph();
      const x = ops.input(graph, "x", [3]);
      const body = () => {
        const inner = ops.exp(x);
        return [inner, ops.sin(inner)];
      };
      const [inner, outer] = checkpointed ? graph.checkpoint(body) : body();
      const results = gradients(
        [
          { value: inner, cotangent: x },
          { value: outer, cotangent: ops.mul(x, 2) },
        ],
        [x],
      );
      return interpret(graph, results, { x: [0.5, -1, 2] });
    };
    assert.deepEqual(numbers(true), numbers(false));
  });
  it("a second walk over the same regions", () => {
    const graph = new Graph();
    const [x, y] = [ops.input(graph, "x", [3]), ops.input(graph, "y", [3])];
    const value = ops.exp(graph.checkpoint(() => ops.mul(ops.sin(x), y)));
    const [towardsX] = gradientsOfSum(value, [x]);
    const [towardsY] = gradientsOfSum(value, [y]);
    const [a, b] = [Float64Array.of(0.5, -1, 2), Float64Array.of(1, 0.25, -0.5)];
    const [dx, dy] = interpret(graph, [towardsX, towardsY], { x: a, y: b });
    const outer = a.map((s, i) => Math.exp(Math.sin(s) * b[i]));
    assertNear(
      dx,
      outer.map((e, i) => e * Math.cos(a[i]) * b[i]),
      1e-12,
      "x",
    );
    assertNear(
      dy,
      outer.map((e, i) => e * Math.sin(a[i])),
      1e-12,
      "y",
    );
  });
});

describe("the recomputation of a checkpoint", () => {
  it("reads input-dependent values under new names and starts after the gradient", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    const outer = ops.exp(x);
    const value = graph.checkpoint(() => ops.sin(ops.sin(outer)));
    const results = gradientsOfSum(ops.cos(value), [x]);
    const copies = graph.nodes.filter(({ op, scope }) => op === "sin" && scope.endsWith("recompute"));
    assert.equal(copies.length, 2);
    assert.notEqual(copies[0].inputs[0], outer);
    assert.ok(operatorsFor([copies[0].outputs[0]]).includes("neg"), "depends on the backward pass of cos");
    assert.ok(operatorsFor(results).length > 0);
  });
});

describe("checkpoints", () => {
  it("reject targets inside", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    let inner = x;
    const value = graph.checkpoint(() => {
      inner = ops.exp(x);
      return ops.sin(inner);
    });
    assert.throws(() => gradientsOfSum(value, [inner]), { name: "GraphError", message: /inside a checkpoint/ });
    assert.throws(() => gradientsOfSum(value, [value]), { name: "GraphError", message: /inside a checkpoint/ });
  });
  it("cannot be nested, and stay usable after the error", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    assert.throws(() => graph.checkpoint(() => graph.checkpoint(() => ops.sin(x))), {
      name: "GraphError",
      message: /cannot be nested/,
    });
    const value = graph.checkpoint(() => ops.exp(x));
    const [gradient] = gradientsOfSum(value, [x]);
    assert.deepEqual(interpret(graph, [gradient], { x: [0, 0, 0] }), [Float64Array.of(1, 1, 1)]);
  });
  it("may be empty", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [3]);
    assert.equal(
      graph.checkpoint(() => x),
      x,
    );
    assert.deepEqual(graph.regions, []);
  });
});

it("checkpoints lower peak memory", { skip: process.platform !== "linux" && "needs /proc" }, async () => {
  const [plain, checkpointed] = await Promise.all(["0", "4"].map((layers) => measureInChild("checkpoint", layers)));
  const shown = `plain ${plain.peak} MB, checkpointed ${checkpointed.peak} MB`;
  assert.ok(plain.peak > 60, shown);
  assert.ok(checkpointed.peak < 0.65 * plain.peak, shown);
  assertNear(Float64Array.from(checkpointed.result), Float64Array.from(plain.result), 1e-4, "gradient");
});
