import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError, RuntimeFailure } from "../core/errors.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import * as ops from "../graph/ops.js";
import { candidateAccelerators } from "./devices.js";
import { openEngine } from "./open-engine.js";
import { findOpenVino, libraryVariable } from "./openvino/find-library.js";
import type { SelfTest } from "./self-test.js";

/** exp(x), and for accelerators that times `factor`, as if they computed it wrongly. */
function exponential(factor = 1): SelfTest {
  return {
    model: (engine) => {
      const graph = new Graph();
      const x = ops.input(graph, "x", [4]);
      const y = ops.mul(ops.exp(x), engine.provider === "cpu" ? 1 : factor);
      return writeOnnx(graph, { y }, engine.target);
    },
    input: { shape: [4], data: Float32Array.of(0, 1, -1, 0.5) },
  };
}

describe("opening an engine", () => {
  it("for the CPU needs no test", async () => {
    const untested: SelfTest = {
      model: () => assert.fail("no model is needed"),
      input: { shape: [0], data: new Float32Array() },
    };
    const { engine, passedOver } = await openEngine({ engine: "onnxruntime", provider: "cpu", threads: 1 }, untested);
    assert.deepEqual([engine.provider, passedOver], ["cpu", []]);
    await engine.close();
  });
  it("automatically takes an accelerator or the CPU, and says what it passed over", async () => {
    const { engine, passedOver } = await openEngine({ engine: "onnxruntime", threads: 1 }, exponential());
    const tried = candidateAccelerators();
    assert.ok(engine.provider === "cpu" ? passedOver.length === tried.length : tried.includes(engine.provider));
    for (const line of passedOver) assert.match(line, /^provider \S+ [^\n]+$/);
    await engine.close();
  });
  it("automatically takes none whose numbers are wrong", async () => {
    const { engine, passedOver } = await openEngine({ engine: "onnxruntime", threads: 1 }, exponential(1.01));
    assert.equal(engine.provider, "cpu");
    assert.equal(passedOver.length, candidateAccelerators().length);
    await engine.close();
  });
  it("for a provider that the machine lacks fails with its name", async (t) => {
    try {
      const { engine } = await openEngine({ provider: "cuda", threads: 1 }, exponential());
      await engine.close();
      t.skip("this machine has cuda");
    } catch (error) {
      assert.ok(error instanceof RuntimeFailure);
      assert.match(error.message, /^provider cuda cannot prepare the model: [^\n]+$/);
    }
  });
  it("refuses requests that contradict themselves", async () => {
    for (const [request, message] of [
      [{ engine: "openvino", provider: "webgpu" }, /^provider webgpu is onnxruntime's: leave out `engine` openvino/],
      [{ engine: "onnxruntime", precision: "bf16" }, /^onnxruntime computes in fp32: bf16 needs OpenVINO/],
      [{ provider: "cuda", precision: "bf16" }, /^onnxruntime computes in fp32/],
    ] as const) {
      await assert.rejects(openEngine(request, exponential()), (error) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, message);
        return true;
      });
    }
  });
  it("takes OpenVINO where it is installed, and says what is missing where it is not", async () => {
    const before = process.env[libraryVariable];
    const installed = findOpenVino() !== null;
    if (installed) {
      const { engine } = await openEngine({ engine: "openvino", precision: "fp32", threads: 1 }, exponential());
      assert.deepEqual([engine.library, engine.provider, engine.precision], ["openvino", "cpu", "fp32"]);
      await engine.close();
    }
    try {
      process.env[libraryVariable] = "/nowhere";
      const { engine } = await openEngine({ provider: "cpu", threads: 1 }, exponential());
      assert.equal(engine.library, "onnxruntime");
      await engine.close();
      await assert.rejects(openEngine({ engine: "openvino" }, exponential()), /OpenVINO is not found: install it/);
      process.env[libraryVariable] = process.execPath;
      await assert.rejects(openEngine({ engine: "openvino" }, exponential()), /could not be loaded as OpenVINO: /);
    } finally {
      if (before === undefined) delete process.env[libraryVariable];
      else process.env[libraryVariable] = before;
    }
  });
});
