/** @file The self-test of execution providers: a small block of attention and MLP, forward and backward, compared with the CPU. */

import { at } from "../core/lists.js";
import { gradientsOfSum } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import type { OnnxModel } from "../graph/onnx/model.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { add, attention, gelu, input, layerNormalization, matmul, mul } from "../graph/ops.js";
import type { Engine } from "./engine.js";

/** A small model that an engine must compute correctly before `auto` selects it. */
export interface SelfTest {
  /** The model, written for the engine's target. */
  readonly model: (engine: Engine) => OnnxModel;
  /** The input `x`. */
  readonly input: { readonly shape: readonly number[]; readonly data: Float32Array };
}

/** Long enough to detect the attention bug of a WebGPU adapter, which starts at 32 tokens. */
const shape = [1, 40, 64];

export const engineSelfTest: SelfTest = {
  input: { shape, data: Float32Array.from({ length: 40 * 64 }, (_, i) => Math.sin(i * 0.7) + 0.5 * Math.cos(i * i)) },
  model: ({ target }) => {
    const graph = new Graph();
    const x = input(graph, "x", shape);
    const normal = layerNormalization(x, 1e-6);
    const attended = add(x, attention(normal, mul(normal, 0.5), x, { heads: 2 }));
    const y = add(attended, mul(matmul(gelu(attended, "tanh"), matmul(x, x, { transposeA: true })), 1 / 64));
    const dx = at(gradientsOfSum(mul(y, y), [x]), 0);
    return writeOnnx(graph, { y, dx }, target);
  },
};
