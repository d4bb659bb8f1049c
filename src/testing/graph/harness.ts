/** @file Helpers of graph tests: graphs of one operator, runs in an engine, finite differences, comparisons. */

import assert from "node:assert/strict";
import { sizeOf, type Tensor } from "../../core/tensor.js";
import { gradients } from "../../graph/autodiff.js";
import { Graph } from "../../graph/graph.js";
import type { GraphBuilder, Value } from "../../graph/ir.js";
import type { Target } from "../../graph/onnx/model.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import type { OperatorAttributes, OperatorName } from "../../graph/operators/attributes.js";
import * as ops from "../../graph/ops.js";
import type { Engine } from "../../runtime/engine.js";
import { type Case, valuesFor } from "./case.js";
import { type Feeds, interpret, reachable } from "./interpreter.js";
import { tensorOf, uniforms, valuesOf } from "./nd-array.js";

/** The two kinds of targets that graphs are written for. */
export const targets: Readonly<Record<string, Target>> = {
  "fused operators": {
    fusedAttention: true,
    layerNormStatistics: true,
    hiddenShapes: true,
    repacksWeights: false,
    sharesCasts: false,
  },
  "plain operators": {
    fusedAttention: false,
    layerNormStatistics: false,
    hiddenShapes: false,
    repacksWeights: true,
    sharesCasts: true,
  },
};

/** A graph that applies one operator to inputs named x0, x1, ... */
export interface SingleOperatorGraph {
  readonly graph: Graph;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly feeds: Readonly<Record<string, Float64Array>>;
}

export function singleOperatorGraph<K extends OperatorName>(
  op: K,
  example: Case<OperatorAttributes[K]>,
): SingleOperatorGraph {
  const graph = new Graph();
  const inputs = example.inputs.map(({ dtype, shape }, i) => ops.input(graph, `x${i}`, shape, dtype));
  const outputs = graph.append(op, inputs, example.attributes);
  const feeds = Object.fromEntries(example.inputs.map((input, i) => [`x${i}`, valuesFor(input, 7 + i)]));
  return { graph, inputs, outputs, feeds };
}

/** Random multiples of 1/8 between -2 and 2, which are exact in every float type. */
export function randomEighths(count: number, seed = 1): Float64Array {
  const uniform = uniforms(seed);
  return Float64Array.from({ length: count }, () => Math.round(32 * uniform() - 16) / 8);
}

/** Runs the graph, written for `target`, in `engine`; feeds that the outputs do not need are ignored. */
export async function execute(
  engine: Engine,
  target: Target,
  graph: GraphBuilder,
  outputs: readonly Value[],
  feeds: Feeds,
): Promise<Float64Array[]> {
  const named = Object.fromEntries(outputs.map((value, i) => [`y${i}`, ops.cast(value, "float32")]));
  const session = await engine.compile(writeOnnx(graph, named, target));
  try {
    const tensors = session.inputs.map(({ name, dtype, shape }): [string, Tensor] => [
      name,
      tensorOf(dtype, shape, feeds[name]),
    ]);
    const results = await session.run(Object.fromEntries(tensors));
    return outputs.map(({ shape }, i) => {
      const result = results[`y${i}`];
      assert.deepEqual(result.shape, shape);
      return valuesOf(result);
    });
  } finally {
    await session.release();
  }
}

/**
 * Gradients of sum(weights * value) with respect to the inputs `names`, by fourth-order central differences in float64,
 * whose relative error at this step size is far below 1e-9.
 */
export function finiteDifferences(
  value: Value,
  weights: Float64Array,
  feeds: Readonly<Record<string, Float64Array>>,
  names: readonly string[],
): Float64Array[] {
  const step = 1e-3;
  return names.map((name) => {
    const original = feeds[name];
    return original.map((_, i) => {
      const quantity = (offset: number) => {
        const shifted = original.map((x, j) => (i === j ? x + offset * step : x));
        const [y] = interpret(value.graph, [value], { ...feeds, [name]: shifted });
        return y.reduce((sum, element, j) => sum + weights[j] * element, 0);
      };
      return (8 * (quantity(1) - quantity(-1)) - (quantity(2) - quantity(-2))) / (12 * step);
    });
  });
}

/** Asserts that differences are at most `tolerance` times the largest expected absolute value (or `floor` if that is larger). */
export function assertNear(
  actual: Float64Array,
  expected: Float64Array,
  tolerance: number,
  what: string,
  floor = 1e-3,
): void {
  assert.equal(actual.length, expected.length, what);
  const scale = expected.reduce((largest, x) => Math.max(largest, Math.abs(x)), floor);
  for (const [i, x] of expected.entries()) {
    const difference = Math.abs(actual[i] - x);
    assert.ok(difference <= tolerance * scale, `${what}[${i}]: ${actual[i]}, expected ${x} (scale ${scale})`);
  }
}

/** Checks the gradients of a random projection of `value` against finite differences, and returns them. */
export function assertGradients(
  value: Value,
  inputs: readonly Value[],
  feeds: Readonly<Record<string, Float64Array>>,
  tolerance = 1e-6,
): Value[] {
  const { graph } = value;
  const weights = randomEighths(sizeOf(value.shape));
  const cotangent = ops.constant(graph, tensorOf("float32", value.shape, weights));
  const results = gradients([{ value, cotangent }], inputs);
  const names = inputs.map((input) => {
    const node = graph.producerOf(input);
    assert.equal(node.op, "input");
    return node.attributes.name;
  });
  const expected = finiteDifferences(value, weights, feeds, names);
  for (const [i, numbers] of interpret(graph, results, feeds).entries()) {
    assertNear(numbers, expected[i], tolerance, `gradient of ${names[i]}`);
  }
  return results;
}

/** The operators of the nodes that compute `values`, in order. */
export function operatorsFor(values: readonly Value[]): OperatorName[] {
  return reachable(values[0].graph, values).map(({ op }) => op);
}

/** Random values for every input of a graph. */
export function randomFeeds(graph: GraphBuilder): Record<string, Float64Array> {
  const feeds: Record<string, Float64Array> = {};
  for (const node of graph.nodes) {
    if (node.op !== "input") continue;
    const { name, shape, dtype } = node.attributes;
    feeds[name] = valuesFor({ dtype, shape, values: "any" }, node.index + 1);
  }
  return feeds;
}
