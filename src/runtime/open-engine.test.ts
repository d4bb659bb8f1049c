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

/** exp(x), multiplied by `factor` on accelerators to simulate a wrong result. */
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
  it("runs no self-test for the CPU", async () => {
    const untested: SelfTest = {
      model: () => assert.fail("no model is needed"),
      input: { shape: [0], data: new Float32Array() },
    };
    const { engine, rejected } = await openEngine({ engine: "onnxruntime", provider: "cpu", threads: 1 }, untested);
    assert.deepEqual([engine.provider, rejected], ["cpu", []]);
    await engine.close();
  });
  it("selects an accelerator or the CPU automatically and lists the rejected candidates", async () => {
    const { engine, rejected } = await openEngine({ engine: "onnxruntime", threads: 1 }, exponential());
    const tried = candidateAccelerators();
    assert.ok(engine.provider === "cpu" ? rejected.length === tried.length : tried.includes(engine.provider));
    for (const line of rejected) assert.match(line, /^provider \S+ [^\n]+$/);
    await engine.close();
  });
  it("rejects accelerators with wrong results", async () => {
    const { engine, rejected } = await openEngine({ engine: "onnxruntime", threads: 1 }, exponential(1.01));
    assert.equal(engine.provider, "cpu");
    assert.equal(rejected.length, candidateAccelerators().length);
    await engine.close();
  });
  it("names an unavailable provider in its error", async (t) => {
    try {
      const { engine } = await openEngine({ provider: "cuda", threads: 1 }, exponential());
      await engine.close();
      t.skip("this machine has cuda");
    } catch (error) {
      assert.ok(error instanceof RuntimeFailure);
      assert.match(error.message, /^provider cuda cannot prepare the model: [^\n]+$/);
    }
  });
  it("rejects contradictory options", async () => {
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
  it("opens OpenVINO if it is installed and reports an error if not", async () => {
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
