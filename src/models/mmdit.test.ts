import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeOf } from "../core/tensor.js";
import { gradientsOfSum } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import { concat, expand, input, mul } from "../graph/ops.js";
import { prefixTaps } from "../pipelines/soft-token-taps.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { execute, targets } from "../testing/graph/harness.js";
import { interpret } from "../testing/graph/interpreter.js";
import { uniforms } from "../testing/graph/nd-array.js";
import { mmdit, mmditConfigSchema } from "./mmdit.js";
import { Weights } from "./weights.js";

const config = mmditConfigSchema.parse({
  ...{ _class_name: "SD3Transformer2DModel", sample_size: 4, patch_size: 2, in_channels: 3, num_layers: 3 },
  ...{ attention_head_dim: 4, num_attention_heads: 2, joint_attention_dim: 5, caption_projection_dim: 8 },
  ...{ pooled_projection_dim: 6, pos_embed_max_size: 3, dual_attention_layers: [1], qk_norm: "rms_norm" },
});
const equal = 9;
const texts = 2;

/**
 * The velocity for a text of three tokens and `equal` copies of a fourth, and the gradients of its square with respect to the
 * soft tokens, the sample, all text tokens and the weights of the text stream. Inputs are random but the same in every call.
 */
function transformer(folded: boolean, count = equal) {
  const graph = new Graph();
  const w = Weights.asInputs(graph);
  const tokens = input(graph, "tokens", [texts, 3, 5]);
  const equalToken = input(graph, "equal", [texts, 1, 5]);
  const rest = folded ? equalToken : expand(equalToken, [texts, equal, 5]);
  const sample = input(graph, "sample", [1, 3, 4, 2]);
  const softTokens = input(graph, "soft_tokens", [texts, 2, 1, 8]);
  const promptEmbeds = concat([tokens, rest], 1);
  const velocity = graph.withTaps(prefixTaps(softTokens, promptEmbeds.dim(1)), () =>
    mmdit(w, config, {
      sample,
      timestep: input(graph, "timestep", [1]),
      promptEmbeds,
      ...(folded && { lastTokenCount: count }),
      pooled: input(graph, "pooled", [texts, 6]),
    }),
  );
  const ofText = [...w.used].flatMap(([name, weight]) =>
    /^context_embedder|^transformer_blocks.0.attn.add_|^transformer_blocks.1.ff_context/.test(name) ? [weight] : [],
  );
  const targetsOfGradients = [softTokens, sample, tokens, equalToken, ...ofText];
  const outputs = [velocity, ...gradientsOfSum(mul(velocity, velocity), targetsOfGradients)];
  const feeds = Object.fromEntries(
    graph.nodes.flatMap((node) => {
      if (node.op !== "input") return [];
      const { name, shape } = node.attributes;
      const uniform = uniforms(seedOf(name));
      const scale = w.used.has(name) ? 1.5 / Math.sqrt(shape.at(-1) ?? 1) : 1;
      return [[name, Float64Array.from({ length: sizeOf(shape) }, () => scale * (2 * uniform() - 1))] as const];
    }),
  );
  return { graph, outputs, feeds };
}

const seedOf = (name: string) => [...name].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) % 65521, 7);

/** Largest difference relative to the largest value of `expected`. */
function relative(found: Float64Array, expected: Float64Array): number {
  const largest = (values: Float64Array) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  assert.ok(largest(expected) > 1e-3);
  return largest(found.map((x, i) => x - expected[i])) / largest(expected);
}

describe("equal text tokens folded into one with a count", () => {
  const unfolded = transformer(false);
  const expected = interpret(unfolded.graph, unfolded.outputs, unfolded.feeds);

  it("give the same velocity and gradients in float64", () => {
    const { graph, outputs, feeds } = transformer(true);
    for (const [index, found] of interpret(graph, outputs, feeds).entries()) {
      // The logarithm of the count is a float32.
      assert.ok(relative(found, expected[index]) < 1e-7, `result ${index}`);
    }
  });

  it("give other results with another count", () => {
    const { graph, outputs, feeds } = transformer(true, equal - 1);
    for (const [index, found] of interpret(graph, outputs, feeds).entries()) {
      assert.ok(relative(found, expected[index]) > 1e-5, `result ${index}`);
    }
  });

  for (const [name, target] of Object.entries(targets)) {
    it(`give the same results in onnxruntime with ${name}, up to rounding`, async () => {
      const engine = new OnnxRuntimeEngine("cpu", 1);
      const { graph, outputs, feeds } = transformer(true);
      for (const [index, found] of (await execute(engine, target, graph, outputs, feeds)).entries()) {
        assert.ok(relative(found, expected[index]) < 1e-5, `result ${index}`);
      }
      await engine.close();
    });
  }
});
