import assert from "node:assert/strict";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { sizeOf } from "../../core/tensor.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { fastTests } from "../../testing/core/repetitions.js";
import { type Case, titleOf } from "../../testing/graph/case.js";
import { operatorCases } from "../../testing/graph/cases.js";
import {
  assertNear,
  execute,
  finiteDifferences,
  randomEighths,
  singleOperatorGraph,
  targets,
} from "../../testing/graph/harness.js";
import { type Feeds, interpret, reachable } from "../../testing/graph/interpreter.js";
import type { StoredTensor } from "../../weights/source.js";
import { gradients } from "../autodiff.js";
import * as ops from "../ops.js";
import type { OperatorName } from "./attributes.js";
import { operators } from "./index.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-operators-")));
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

const weight = Float32Array.of(1.5, -2, 0.25, 3, 0, -0.125);
const stored: StoredTensor = {
  name: "weight",
  dtype: "F32",
  shape: [2, 3],
  file: join(folder, "weights.safetensors"),
  offset: 8,
  length: weight.byteLength,
};
await writeFile(stored.file, Buffer.concat([Buffer.alloc(8), Buffer.from(weight.buffer)]));

const leaves: readonly OperatorName[] = ["input", "parameter", "constant"];
/** Largest input, in elements, whose gradient the fast tests check. */
const maxFastSize = 512;
const notDifferentiable: readonly OperatorName[] = ["greater"];

/** Feeds of the graph's inputs; a leaf under test has its own name. */
function feedsOf(op: OperatorName, example: Case<object>, feeds: Feeds): Feeds {
  if (op !== "input") return feeds;
  const { name, shape } = example.attributes as { name: string; shape: readonly number[] };
  return { [name]: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 2) };
}

async function checkForward(op: OperatorName, example: Case<object>): Promise<void> {
  const { graph, outputs, feeds } = singleOperatorGraph(op, example as Case<never>);
  const given = feedsOf(op, example, feeds);
  const expected = interpret(graph, outputs, given, () => weight);
  for (const [name, target] of Object.entries(targets)) {
    // Also the first output alone, because the emitted nodes may depend on which outputs are used.
    for (const wanted of outputs.length === 1 ? [outputs] : [outputs.slice(0, 1), outputs]) {
      const actual = await execute(engine, target, graph, wanted, given);
      for (const [port, numbers] of actual.entries()) {
        assertNear(numbers, expected[port], 1e-5, `${name}: ${op} output ${port}`, 1);
      }
    }
  }
}

/** Builds the operator and its gradients with respect to all float inputs, or to the input with index `only`. */
function differentiated(op: OperatorName, example: Case<object>, only?: number) {
  const { graph, inputs, outputs, feeds } = singleOperatorGraph(op, example as Case<never>);
  const [value] = outputs;
  const positions = example.inputs.flatMap(({ dtype }, i) => (dtype === "float32" && (only ?? i) === i ? [i] : []));
  const weights = randomEighths(sizeOf(value.shape));
  const start = graph.nodes.length;
  const cotangent = ops.cast(ops.input(graph, "cotangent", value.shape), value.dtype);
  const towards = positions.map((position) => inputs[position]);
  const results = gradients([{ value, cotangent }], towards);
  const made = graph.nodes.slice(start);
  return { graph, value, results, made, positions, weights, feeds: { ...feeds, cotangent: weights } };
}

async function checkGradient(op: OperatorName, example: Case<object>): Promise<void> {
  const { graph, value, results, positions, weights, feeds } = differentiated(op, example);
  const names = positions.map((position) => `x${position}`);
  const expected = finiteDifferences(value, weights, feeds, names);
  const computed = interpret(graph, results, feeds);
  for (const [i, name] of names.entries()) assertNear(computed[i], expected[i], 1e-6, `${op}: gradient of ${name}`);
  for (const [i, position] of positions.entries()) {
    const alone = differentiated(op, example, position);
    const [numbers] = interpret(alone.graph, alone.results, alone.feeds);
    assertNear(numbers, expected[i], 1e-6, `${op}: gradient of x${position} alone`);
    const used = new Set(reachable(alone.graph, alone.results));
    const unused = alone.made.flatMap((node) => (used.has(node) ? [] : [node.op]));
    assert.deepEqual(unused, [], `${op}: nodes that the gradient of x${position} alone does not need`);
  }
  for (const [name, target] of Object.entries(targets)) {
    const actual = await execute(engine, target, graph, results, feeds);
    for (const [i, numbers] of actual.entries()) {
      assertNear(numbers, computed[i], 1e-5, `${name}: ${op}: gradient of ${names[i]}`, 1);
    }
  }
}

/** Asserts that an operator without float outputs has no gradient. */
function checkNoGradient(op: OperatorName, example: Case<object>): void {
  assert.throws(() => differentiated(op, example), { name: "GraphError", message: /target 0 does not influence/ });
}

for (const [name, cases] of Object.entries(operatorCases(stored))) {
  const op = name as OperatorName;
  describe(op, () => {
    for (const example of cases) {
      it(`${titleOf(example)}: ONNX`, () => checkForward(op, example));
      if (leaves.includes(op)) continue;
      if (!example.inputs.some(({ dtype }) => dtype === "float32")) continue;
      const { dtype } = singleOperatorGraph(op, example as Case<never>).outputs[0];
      if (dtype === "int64" || dtype === "bool")
        it(`${titleOf(example)}: no gradient`, () => checkNoGradient(op, example));
      // Finite differences take seconds for large inputs.
      else if (!fastTests || example.inputs.every(({ shape }) => sizeOf(shape) <= maxFastSize))
        it(`${titleOf(example)}: gradient`, () => checkGradient(op, example));
    }
    it("declares whether it has a gradient", () => {
      const expected = leaves.includes(op)
        ? "leaf"
        : notDifferentiable.includes(op)
          ? "not differentiable"
          : "function";
      const { vjp } = operators[op];
      assert.equal(typeof vjp === "function" ? "function" : vjp, expected);
    });
  });
}
