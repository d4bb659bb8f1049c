import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RuntimeFailure } from "../core/errors.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import * as ops from "../graph/ops.js";
import { candidateAccelerators } from "./devices.js";
import { openEngine, type SelfTest } from "./open-engine.js";

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
    const { engine, passedOver } = await openEngine("cpu", 1, untested);
    assert.deepEqual([engine.provider, passedOver], ["cpu", []]);
    await engine.close();
  });
  it("automatically takes an accelerator or the CPU, and says what it passed over", async () => {
    const { engine, passedOver } = await openEngine("auto", 1, exponential());
    const tried = candidateAccelerators();
    assert.ok(engine.provider === "cpu" ? passedOver.length === tried.length : tried.includes(engine.provider));
    for (const line of passedOver) assert.match(line, /^provider \S+ [^\n]+$/);
    await engine.close();
  });
  it("automatically takes none whose numbers are wrong", async () => {
    const { engine, passedOver } = await openEngine("auto", 1, exponential(1.01));
    assert.equal(engine.provider, "cpu");
    assert.equal(passedOver.length, candidateAccelerators().length);
    await engine.close();
  });
  it("for a provider that the machine lacks fails with its name", async (t) => {
    try {
      const { engine } = await openEngine("cuda", 1, exponential());
      await engine.close();
      t.skip("this machine has cuda");
    } catch (error) {
      assert.ok(error instanceof RuntimeFailure);
      assert.match(error.message, /^provider cuda cannot prepare the model: [^\n]+$/);
    }
  });
});
