import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { floatTensor } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { input } from "../graph/ops.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { timestepEmbedding } from "./layers.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

describe("timestep embedding", () => {
  it("matches diffusers at high timesteps, which amplify the rounding of the frequencies", async () => {
    const graph = new Graph();
    const embedded = timestepEmbedding(input(graph, "timestep", [1]), 256);
    const session = await engine.compile(writeOnnx(graph, { embedded }, engine.target));
    const results = await session.run({ timestep: floatTensor([1], Float32Array.of(1000)) });
    await session.release();
    // get_timestep_embedding([1000], 256, flip_sin_to_cos=True, downscale_freq_shift=0) of diffusers 0.32.2, where the error of
    // plainly rounded frequencies is largest (3e-5 to 5e-5).
    const expected = [
      [2, 0.439927876],
      [138, -0.020636007],
      [20, -0.052876316],
      [147, -0.35287869],
      [130, -0.898033082],
    ] as const;
    for (const [index, value] of expected) {
      const given = Number(results.embedded.data[index]);
      assert.ok(Math.abs(given - value) < 2e-6, `[${index}]: ${given}, not ${value}`);
    }
  });
});
