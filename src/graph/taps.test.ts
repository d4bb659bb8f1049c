import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertGradients } from "../testing/graph/harness.js";
import { interpret } from "../testing/graph/interpreter.js";
import { Graph } from "./graph.js";
import type { GraphBuilder, Tap, Value } from "./ir.js";
import * as ops from "./ops.js";
import { formatGraph } from "./print.js";
import { ReadTap } from "./taps.js";

/** Two modules x + h^2 with h = tanh(x), each in a checkpoint. */
function network(graph: GraphBuilder): Value {
  let x = ops.input(graph, "x", [2, 3]);
  for (const index of [0, 1]) {
    const before = x;
    x = graph.within(`blocks.${index}`, () =>
      graph.checkpoint(() => {
        const hidden = graph.tap("hidden", ops.tanh(before));
        return ops.add(before, graph.tap("out", ops.mul(hidden, hidden)));
      }),
    );
  }
  return x;
}

function withTaps(...taps: Tap[]) {
  const graph = new Graph();
  return { graph, y: graph.withTaps(taps, () => network(graph)) };
}

const feeds = { x: Float64Array.of(0.5, -1, 0.25, 1.5, -0.75, 0.125) };
const square = (x: number) => Math.tanh(x) ** 2;

function evaluated(value: Value): number[] {
  const [elements = []] = interpret(value.graph, [value], feeds);
  return [...elements];
}

describe("a tap that reads", () => {
  it("returns the value of a full name and leaves the graph unchanged", () => {
    const tap = new ReadTap("blocks.1.hidden");
    const { graph } = withTaps(tap);
    const plain = new Graph();
    network(plain);
    assert.equal(formatGraph(graph), formatGraph(plain));
    const afterFirst = [...feeds.x].map((x) => x + square(x));
    assert.deepEqual(evaluated(tap.value), afterFirst.map(Math.tanh));
  });
  it("throws before the value has been read", () => {
    assert.throws(() => new ReadTap("blocks.1.hidden").value, { name: "GraphError" });
  });
  it("receives the name of each value that a pattern matches, also with the g flag", () => {
    const names: string[] = [];
    const replace = (value: Value, name: string) => {
      names.push(name);
      return value;
    };
    withTaps({ at: /\.(hidden|out)$/g, replace });
    assert.deepEqual(names, ["blocks.0.hidden", "blocks.0.out", "blocks.1.hidden", "blocks.1.out"]);
  });
});

describe("a tap that replaces", () => {
  it("changes what the rest of the network computes", () => {
    const { y } = withTaps({ at: /^blocks\.\d\.out$/, replace: (value) => ops.mul(value, 0) });
    assert.deepEqual(evaluated(y), [...feeds.x]);
  });
  it("runs after earlier taps of its layer and before those of outer layers", () => {
    const graph = new Graph();
    const plus = (amount: number): Tap => ({ at: "blocks.0.out", replace: (value) => ops.add(value, amount) });
    const twice: Tap = { at: "blocks.0.out", replace: (value) => ops.mul(value, 2) };
    const read = new ReadTap("blocks.1.hidden");
    graph.withTaps([twice, read], () => graph.withTaps([plus(1), plus(2)], () => network(graph)));
    const wanted = [...feeds.x].map((x) => Math.tanh(x + 2 * (square(x) + 3)));
    for (const [i, found] of evaluated(read.value).entries()) {
      assert.ok(Math.abs(found - (wanted[i] ?? Number.NaN)) < 1e-12);
    }
  });
  it("passes gradients, within and across checkpoints", () => {
    const first = new ReadTap("blocks.0.hidden");
    const { graph, y } = withTaps(first, {
      at: "blocks.1.hidden",
      // The second row uses the first row's value of the previous block.
      replace: (value) => ops.concat([ops.slice(value, 0, 0, 1), ops.sin(ops.slice(first.value, 0, 0, 1))], 0),
    });
    const x = graph.nodes.flatMap(({ op, outputs }) => (op === "input" ? outputs : []));
    assertGradients(y, x, feeds);
    assert.ok(graph.nodes.some(({ op, scope }) => op === "sin" && scope === "blocks.1.recompute"));
  });
});

describe("a tap that matches nothing", () => {
  it("throws an error that lists similar names", () => {
    const tap: Tap = { at: "blocks.1.hiden", replace: (value) => value };
    const message =
      "tap: no value is named blocks.1.hiden (most similar of 4 names: blocks.1.hidden, blocks.1.out, blocks.0.hidden)";
    assert.throws(() => withTaps(tap), { name: "GraphError", message });
    assert.throws(() => withTaps({ ...tap, at: /^block\.0/ }), { name: "GraphError", message: /named \/\^block/ });
  });
  it("throws an error in a network without taps", () => {
    const graph = new Graph();
    assert.throws(() => graph.withTaps([new ReadTap("x")], () => ops.input(graph, "x", [1])), {
      message: "tap: no value is named x: the network has no values that can be tapped",
    });
  });
  it("does not hide an error of the network, and is removed after it", () => {
    const graph = new Graph();
    const failing = () => {
      throw new RangeError("stop");
    };
    assert.throws(() => graph.withTaps([new ReadTap("x")], failing), RangeError);
    assert.equal(network(graph).dim(0), 2);
  });
});
