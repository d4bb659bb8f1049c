import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DType, Shape } from "../core/tensor.js";
import { Graph } from "./graph.js";
import type { GraphNode, Value } from "./ir.js";
import { checkGraph } from "./legality.js";
import * as ops from "./ops.js";

function forgeValue(graph: Graph, id: number, [dtype, shape]: [DType, Shape], producer: number, port = 0): Value {
  return { graph, id, dtype, shape, producer, port, dim: (axis) => shape.at(axis) ?? 0 };
}

/** Appends a node to the graph without checking it. */
function forge(graph: Graph, node: Pick<GraphNode, "op" | "inputs" | "attributes">, ...types: [DType, Shape][]): Value {
  const index = graph.nodes.length;
  const outputs = types.map(([dtype, shape], port) => forgeValue(graph, 1000 + index, [dtype, shape], index, port));
  graph.nodes.push({ ...node, index, scope: "", outputs } as unknown as GraphNode);
  return outputs[0];
}

function assertRejected(graph: Graph, outputs: Readonly<Record<string, Value>>, message: RegExp): void {
  assert.throws(() => checkGraph(graph, outputs), { name: "GraphError", message });
}

describe("a legal graph", () => {
  it("passes with any number of outputs", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 3]);
    const y = ops.layerNormalization(ops.add(x, 1), 1e-5);
    checkGraph(graph, { y, "also y": y, z: x });
    checkGraph(new Graph(), {});
  });
});

describe("the invariant that inputs come from earlier nodes of the same graph", () => {
  const message = /^%1001 = neg\(%\d+\) : float32\[2\]: %\d+ is not computed before \(invariant: inputs come/;
  it("rejects an input of another graph", () => {
    const graph = new Graph();
    ops.input(graph, "x", [2]);
    const foreign = ops.input(new Graph(), "x", [2]);
    assertRejected(
      graph,
      { y: forge(graph, { op: "neg", inputs: [foreign], attributes: {} }, ["float32", [2]]) },
      message,
    );
  });
  it("rejects a node that reads itself or a later node", () => {
    for (const producer of [1, 7]) {
      const graph = new Graph();
      ops.input(graph, "x", [2]);
      const late = forgeValue(graph, 5, ["float32", [2]], producer);
      assertRejected(
        graph,
        { y: forge(graph, { op: "neg", inputs: [late], attributes: {} }, ["float32", [2]]) },
        message,
      );
    }
  });
  it("is also checked when nodes are appended", () => {
    const graph = new Graph();
    const foreign = ops.input(new Graph(), "x", [2]);
    assert.throws(() => graph.within("block", () => ops.add(ops.input(graph, "y", [2]), foreign)), {
      name: "GraphError",
      message: "block: add: an input belongs to another graph",
    });
  });
});

describe("the invariant that recorded types are those that the operator infers", () => {
  const graph = () => {
    const made = new Graph();
    return { made, x: ops.input(made, "x", [2, 3]) };
  };
  it("rejects another shape", () => {
    const { made, x } = graph();
    const y = forge(made, { op: "neg", inputs: [x], attributes: {} }, ["float32", [3, 2]]);
    assertRejected(made, { y }, /neg\(%0\) .*%1001 is recorded as float32\[3,2\] \(invariant: recorded types/);
  });
  it("rejects another type", () => {
    const { made, x } = graph();
    const y = forge(made, { op: "neg", inputs: [x], attributes: {} }, ["float16", [2, 3]]);
    assertRejected(made, { y }, /recorded as float16\[2,3\]/);
  });
  it("rejects a second output of another shape", () => {
    const { made, x } = graph();
    const node = { op: "layerNormalization", inputs: [x], attributes: { epsilon: 1e-5 } } as const;
    const y = forge(made, node, ["float32", [2, 3]], ["float32", [2, 3]]);
    assertRejected(made, { y }, /recorded as float32\[2,3\]/);
  });
  it("rejects missing or surplus outputs", () => {
    for (const types of [[["float32", [2, 3]]], Array.from({ length: 3 }, () => ["float32", [2, 1]])]) {
      const { made, x } = graph();
      const node = { op: "layerNormalization", inputs: [x], attributes: { epsilon: 1e-5 } } as const;
      const y = forge(made, node, ...(types as [DType, Shape][]));
      assertRejected(made, { y }, /invariant: recorded types/);
    }
  });
  it("reports the errors of the operator's own rule", () => {
    const { made, x } = graph();
    const y = forge(made, { op: "matmul", inputs: [x, x], attributes: { transposeA: false, transposeB: false } }, [
      "float32",
      [2, 3],
    ]);
    assertRejected(made, { y }, /matmul\(%0, %0\).*inner sizes 3 and 2 differ/);
  });
});

describe("the invariant that sizes are positive whole numbers", () => {
  it("rejects zero, negative, fractional and NaN sizes", () => {
    for (const size of [0, -1, 2.5, Number.NaN]) {
      const graph = new Graph();
      const x = forge(graph, { op: "input", inputs: [], attributes: { name: "x", dtype: "float32", shape: [size] } }, [
        "float32",
        [size],
      ]);
      assertRejected(graph, { y: x }, /has shape \[.*\] \(invariant: sizes are positive|recorded as float32\[NaN\]/);
    }
  });
  it("rejects a reshape that does not divide evenly", () => {
    const graph = new Graph();
    const y = ops.reshape(ops.input(graph, "x", [5]), [2, -1]);
    assertRejected(graph, { y }, /reshape\(%0\) .*has shape \[2,2\.5\]/);
  });
});

describe("names", () => {
  const one = (name: string) => {
    const graph = new Graph();
    return { graph, x: ops.input(graph, name, [2]) };
  };
  it("must be unique among inputs", () => {
    const { graph, x } = one("x");
    assertRejected(graph, { y: ops.add(x, ops.input(graph, "x", [2])) }, /^input name "x" is taken$/);
  });
  it("must not be shared by an input and an output", () => {
    const { graph, x } = one("x");
    assertRejected(graph, { x: ops.neg(x) }, /^output name "x" is taken$/);
  });
  it("must differ from those that the writer generates", () => {
    for (const name of ["t0", "c12", "w3:conv.weight"]) {
      const { graph, x } = one(name);
      assertRejected(graph, { y: x }, /^input name ".*" is taken$/);
      const other = one("x");
      assertRejected(other.graph, { [name]: other.x }, /^output name ".*" is taken$/);
    }
    for (const name of ["t", "t0x", "cat", "w", "0"]) {
      const { graph, x } = one(name);
      checkGraph(graph, { y: x });
    }
  });
  it("must refer to values of this graph", () => {
    const { graph } = one("x");
    assertRejected(graph, { y: one("x").x }, /^output y belongs to another graph$/);
  });
});
