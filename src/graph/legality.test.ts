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

/** A node that no rule has checked, put at the end of the graph. */
function forge(graph: Graph, node: Pick<GraphNode, "op" | "inputs" | "attributes">, ...types: [DType, Shape][]): Value {
  const index = graph.nodes.length;
  const outputs = types.map(([dtype, shape], port) => forgeValue(graph, 1000 + index, [dtype, shape], index, port));
  graph.nodes.push({ ...node, index, scope: "", outputs } as unknown as GraphNode);
  return outputs[0];
}

function refuses(graph: Graph, outputs: Readonly<Record<string, Value>>, message: RegExp): void {
  assert.throws(() => checkGraph(graph, outputs), { name: "GraphError", message });
}

describe("a legal graph", () => {
  it("passes, with as many outputs as one likes", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2, 3]);
    const y = ops.layerNormalization(ops.add(x, 1), 1e-5);
    checkGraph(graph, { y, "also y": y, z: x });
    checkGraph(new Graph(), {});
  });
});

describe("the law that inputs come from earlier nodes of the same graph", () => {
  const message = /^%1001 = neg\(%\d+\) : float32\[2\]: %\d+ is not computed before \(law: inputs come/;
  it("is broken by an input of another graph", () => {
    const graph = new Graph();
    ops.input(graph, "x", [2]);
    const foreign = ops.input(new Graph(), "x", [2]);
    refuses(graph, { y: forge(graph, { op: "neg", inputs: [foreign], attributes: {} }, ["float32", [2]]) }, message);
  });
  it("is broken by a node that reads itself, or a later node", () => {
    for (const producer of [1, 7]) {
      const graph = new Graph();
      ops.input(graph, "x", [2]);
      const late = forgeValue(graph, 5, ["float32", [2]], producer);
      refuses(graph, { y: forge(graph, { op: "neg", inputs: [late], attributes: {} }, ["float32", [2]]) }, message);
    }
  });
  it("holds at building time too", () => {
    const graph = new Graph();
    const foreign = ops.input(new Graph(), "x", [2]);
    assert.throws(() => graph.within("block", () => ops.add(ops.input(graph, "y", [2]), foreign)), {
      name: "GraphError",
      message: "block: add: an input belongs to another graph",
    });
  });
});

describe("the law that recorded types are those that the operator infers", () => {
  const graph = () => {
    const made = new Graph();
    return { made, x: ops.input(made, "x", [2, 3]) };
  };
  it("is broken by another shape", () => {
    const { made, x } = graph();
    const y = forge(made, { op: "neg", inputs: [x], attributes: {} }, ["float32", [3, 2]]);
    refuses(made, { y }, /neg\(%0\) .*%1001 is recorded as float32\[3,2\] \(law: recorded types/);
  });
  it("is broken by another type", () => {
    const { made, x } = graph();
    const y = forge(made, { op: "neg", inputs: [x], attributes: {} }, ["float16", [2, 3]]);
    refuses(made, { y }, /recorded as float16\[2,3\]/);
  });
  it("is broken by a second output of another shape", () => {
    const { made, x } = graph();
    const node = { op: "layerNormalization", inputs: [x], attributes: { epsilon: 1e-5 } } as const;
    const y = forge(made, node, ["float32", [2, 3]], ["float32", [2, 3]]);
    refuses(made, { y }, /recorded as float32\[2,3\]/);
  });
  it("is broken by missing or surplus outputs", () => {
    for (const types of [[["float32", [2, 3]]], Array.from({ length: 3 }, () => ["float32", [2, 1]])]) {
      const { made, x } = graph();
      const node = { op: "layerNormalization", inputs: [x], attributes: { epsilon: 1e-5 } } as const;
      const y = forge(made, node, ...(types as [DType, Shape][]));
      refuses(made, { y }, /law: recorded types/);
    }
  });
  it("lets a rule itself refuse operands", () => {
    const { made, x } = graph();
    const y = forge(made, { op: "matmul", inputs: [x, x], attributes: { transposeA: false, transposeB: false } }, [
      "float32",
      [2, 3],
    ]);
    refuses(made, { y }, /matmul\(%0, %0\).*inner sizes 3 and 2 differ/);
  });
});

describe("the law that sizes are positive whole numbers", () => {
  it("is broken by empty, fractional and unknown sizes", () => {
    for (const size of [0, -1, 2.5, Number.NaN]) {
      const graph = new Graph();
      const x = forge(graph, { op: "input", inputs: [], attributes: { name: "x", dtype: "float32", shape: [size] } }, [
        "float32",
        [size],
      ]);
      refuses(graph, { y: x }, /has shape \[.*\] \(law: sizes are positive|recorded as float32\[NaN\]/);
    }
  });
  it("catches a reshape that does not come out even", () => {
    const graph = new Graph();
    const y = ops.reshape(ops.input(graph, "x", [5]), [2, -1]);
    refuses(graph, { y }, /reshape\(%0\) .*has shape \[2,2\.5\]/);
  });
});

describe("names", () => {
  const one = (name: string) => {
    const graph = new Graph();
    return { graph, x: ops.input(graph, name, [2]) };
  };
  it("must not repeat among inputs", () => {
    const { graph, x } = one("x");
    refuses(graph, { y: ops.add(x, ops.input(graph, "x", [2])) }, /^input name "x" is taken$/);
  });
  it("must not be an input's and an output's", () => {
    const { graph, x } = one("x");
    refuses(graph, { x: ops.neg(x) }, /^output name "x" is taken$/);
  });
  it("must not look like the writer's own", () => {
    for (const name of ["t0", "c12", "w3:conv.weight"]) {
      const { graph, x } = one(name);
      refuses(graph, { y: x }, /^input name ".*" is taken$/);
      const other = one("x");
      refuses(other.graph, { [name]: other.x }, /^output name ".*" is taken$/);
    }
    for (const name of ["t", "t0x", "cat", "w", "0"]) {
      const { graph, x } = one(name);
      checkGraph(graph, { y: x });
    }
  });
  it("must be outputs of this graph", () => {
    const { graph } = one("x");
    refuses(graph, { y: one("x").x }, /^output y belongs to another graph$/);
  });
});
