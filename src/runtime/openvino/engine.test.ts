import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { RuntimeFailure } from "../../core/errors.js";
import { sizeOf } from "../../core/tensor.js";
import { gradients } from "../../graph/autodiff.js";
import type { Value } from "../../graph/ir.js";
import type { OperatorName } from "../../graph/operators/attributes.js";
import * as ops from "../../graph/ops.js";
import { type Case, titleOf } from "../../testing/graph/case.js";
import { operatorCases } from "../../testing/graph/cases.js";
import { assertNear, execute, randomEighths, singleOperatorGraph } from "../../testing/graph/harness.js";
import { type Feeds, interpret } from "../../testing/graph/interpreter.js";
import { engineContract } from "../../testing/runtime/engine-contract.js";
import type { StoredTensor } from "../../weights/source.js";
import type { Precision } from "../engine.js";
import { OpenVinoEngine } from "./engine.js";
import { findOpenVino } from "./find-library.js";

const library = findOpenVino();

async function open(precision: Precision): Promise<OpenVinoEngine> {
  if (library === null) throw new RuntimeFailure("OpenVINO is not installed");
  return OpenVinoEngine.open(library, precision, 1);
}

describe("OpenVINO", { skip: library === null ? "not installed" : false }, async () => {
  engineContract(() => open("fp32"));
  if (library === null) return;

  const engine = await open("fp32");
  const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-openvino-")));
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

  for (const [name, cases] of Object.entries(operatorCases(stored))) {
    const op = name as OperatorName;
    for (const example of cases) {
      it(`${op}, ${titleOf(example)}: equals the reference`, () => assertAgrees(op, example));
    }
  }

  /** Compares the operator, and its gradients with respect to all float inputs if it has any, with the reference. */
  async function assertAgrees(op: OperatorName, example: Case<object>): Promise<void> {
    const { graph, inputs, outputs, feeds } = singleOperatorGraph(op, example as Case<never>);
    const leaf = op === "input" ? (example.attributes as { name: string; shape: readonly number[] }) : null;
    const given = leaf ? { [leaf.name]: Float64Array.from({ length: sizeOf(leaf.shape) }, (_, i) => i % 2) } : feeds;
    await assertSame(given, outputs);
    const [value] = outputs;
    const floats = inputs.filter(({ dtype }) => dtype === "float32");
    if (floats.length === 0 || value.dtype === "int64" || value.dtype === "bool") return;
    const cotangent = ops.cast(ops.input(graph, "cotangent", value.shape), value.dtype);
    const results = gradients([{ value, cotangent }], floats);
    await assertSame({ ...given, cotangent: randomEighths(sizeOf(value.shape)) }, results);

    async function assertSame(all: Feeds, wanted: readonly Value[]): Promise<void> {
      const expected = interpret(graph, wanted, all, () => weight);
      const actual = await execute(engine, engine.target, graph, wanted, all);
      for (const [port, numbers] of actual.entries()) assertNear(numbers, expected[port], 1e-5, `${op} ${port}`, 1);
    }
  }
});
