import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "#softrepa/core/random.js";
import { sizeOf } from "#softrepa/core/tensor.js";
import { gradientsOfSum } from "#softrepa/graph/autodiff.js";
import { Graph } from "#softrepa/graph/graph.js";
import { clipTextConfigSchema } from "#softrepa/models/clip-text.js";
import { mmditConfigSchema } from "#softrepa/models/mmdit.js";
import { Weights } from "#softrepa/models/weights.js";
import { sampleScene } from "#softrepa/scenes/sample-scene.js";
import { interpret, reachable } from "#softrepa/testing/graph/interpreter.js";
import { objectTargets } from "./auxiliary.js";
import { isFixed, type JointSettings, jointLoss } from "./joint.js";

const clip = (hidden: number) =>
  clipTextConfigSchema.parse({
    ...{ architectures: ["CLIPTextModelWithProjection"], hidden_size: hidden, intermediate_size: 6, projection_dim: 4 },
    ...{ num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 2, vocab_size: 5 },
    ...{ hidden_act: "gelu", eos_token_id: 4, layer_norm_eps: 1e-5 },
  });
const settings: JointSettings = {
  clip: [clip(4), clip(6)],
  transformer: mmditConfigSchema.parse({
    ...{ _class_name: "SD3Transformer2DModel", sample_size: 4, patch_size: 2, in_channels: 2, num_layers: 3 },
    ...{ attention_head_dim: 4, num_attention_heads: 2, joint_attention_dim: 10, caption_projection_dim: 8 },
    ...{ pooled_projection_dim: 10, pos_embed_max_size: 2, qk_norm: "rms_norm" },
  }),
  promptLength: 2,
  headAfterBlock: 2,
  headWeight: 0.25,
};

/** The graph, and a random point of its inputs. */
function build() {
  const graph = new Graph({ checkpoints: false });
  const w = Weights.asInputs(graph);
  const losses = jointLoss(w, settings, 2);
  const random = new Generator(4);
  const point = new Map<string, Float64Array>();
  for (const node of graph.nodes) {
    if (node.op !== "input") continue;
    const { name, shape } = node.attributes;
    const spread = w.used.has(name) ? 0.8 / Math.sqrt(shape.at(-1) ?? 1) : 1;
    point.set(
      name,
      Float64Array.from(random.normal([sizeOf(shape)]).data, (x) => spread * x),
    );
  }
  point.set("ids", Float64Array.from([3, 4, 1, 4]));
  point.set("sigma", Float64Array.from([0.3, 0.8]));
  const scenes = [sampleScene("train", random), sampleScene("train", random)];
  point.set("objects", Float64Array.from(objectTargets(scenes, 2).data));
  return { graph, w, losses, point };
}

describe("the joint step", () => {
  it("has gradients towards every weight that central differences confirm", () => {
    const { graph, w, losses, point } = build();
    const read = new Set(reachable(graph, [losses.loss]).flatMap(({ outputs }) => outputs));
    const trained = [...w.used].filter(([name, value]) => read.has(value) && !isFixed(name));
    const gradients = gradientsOfSum(
      losses.loss,
      trained.map(([, value]) => value),
    );
    const random = new Generator(5);
    const directions = new Map(
      trained.map(([name, { shape }]) => [name, Float64Array.from(random.normal([sizeOf(shape)]).data)]),
    );
    const slopes = interpret(graph, gradients, Object.fromEntries(point)).map((gradient, index) => {
      const along = directions.get(trained[index][0]) ?? [];
      return gradient.reduce((sum, slope, i) => sum + slope * along[i], 0);
    });
    const lossAt = (step: number): number => {
      const moved = [...point].map(([name, values]) => {
        const along = directions.get(name);
        return [name, along ? values.map((x, i) => x + step * along[i]) : values] as const;
      });
      return interpret(graph, [losses.loss], Object.fromEntries(moved))[0][0];
    };
    const analytic = slopes.reduce((sum, slope) => sum + slope, 0);
    const step = 1e-5;
    const numeric = (lossAt(step) - lossAt(-step)) / (2 * step);
    assert.ok(slopes.every((slope) => slope !== 0));
    const error = Math.abs(analytic - numeric) / Math.abs(numeric);
    assert.ok(error < 1e-6, `${analytic} against ${numeric}`);
    for (const part of ["text_encoder.", "text_encoder_2.", "transformer.", "head."]) {
      assert.ok(
        trained.some(([name]) => name.startsWith(part)),
        part,
      );
    }
    assert.ok(trained.some(([name]) => name.endsWith("attn.norm_q.weight")));
  });

  it("weighs the head, which reads the block it is told to, and no block behind it", () => {
    const { graph, w, losses, point } = build();
    const at = Object.fromEntries(point);
    const [loss, flow, head] = interpret(graph, [losses.loss, losses.flow, losses.head], at).map(([value]) => value);
    assert.ok(Math.abs(loss - (flow + 0.25 * head)) < 1e-12);
    const reached = new Set(reachable(graph, [losses.head]).flatMap(({ outputs }) => outputs));
    const blocks = [0, 1, 2].map((block) =>
      [...w.used].some(
        ([name, value]) => name.startsWith(`transformer.transformer_blocks.${block}.ff.`) && reached.has(value),
      ),
    );
    assert.deepEqual(blocks, [true, true, false]);
  });

  it("asks the flow for the velocity from image to noise", () => {
    const { graph, w, losses, point } = build();
    // A transformer whose last projection is zero predicts zero everywhere.
    for (const name of w.used.keys()) {
      if (name.startsWith("transformer.proj_out.")) point.set(name, new Float64Array(point.get(name)?.length ?? 0));
    }
    const [noise, latents] = [point.get("noise") ?? [], point.get("latents") ?? []];
    const squares = Array.from(noise, (x, i) => (x - latents[i]) ** 2);
    const wanted = squares.reduce((sum, x) => sum + x, 0) / squares.length;
    const [[flow]] = interpret(graph, [losses.flow], Object.fromEntries(point));
    assert.ok(Math.abs(flow - wanted) < 1e-9, `${flow}, not ${wanted}`);
  });
});
