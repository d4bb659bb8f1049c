import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeOf } from "../core/tensor.js";
import { gradientsOfSum } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { input, integers, mul } from "../graph/ops.js";
import { afterFirstTap, prefixTaps } from "../pipelines/soft-token-taps.js";
import { interpret, reachable } from "../testing/graph/interpreter.js";
import { uniforms } from "../testing/graph/nd-array.js";
import { autoencoderConfigSchema, vaeDecoder, vaeEncoder } from "./autoencoder-kl.js";
import { clipTextConfigSchema, clipTextEncoder } from "./clip-text.js";
import { mmdit, mmditConfigSchema } from "./mmdit.js";
import { t5ConfigSchema, t5Encoder } from "./t5-encoder.js";
import { unet } from "./unet.js";
import { unetConfigSchema } from "./unet-config.js";
import { Weights } from "./weights.js";

/**
 * The derivative of the sum of squared outputs along a random direction of all weights at once: gradients of the graph
 * against central differences, both in float64.
 */
function checkWeightGradients(build: (w: Weights, graph: Graph) => Value): void {
  const graph = new Graph();
  const weights = Weights.asInputs(graph);
  const output = build(weights, graph);
  const loss = mul(output, output);
  const read = new Set(reachable(graph, [loss]).flatMap(({ outputs }) => outputs));
  // The last block of a transformer has unused weights.
  const targets = [...weights.used.values()].filter((weight) => read.has(weight));
  const gradients = gradientsOfSum(loss, targets);

  const uniform = uniforms(5);
  const random = (count: number, scale: number) =>
    Float64Array.from({ length: count }, () => scale * (2 * uniform() - 1));
  const point = new Map<string, Float64Array>();
  const direction = new Map<string, Float64Array>();
  for (const node of graph.nodes) {
    if (node.op !== "input") continue;
    const { name, shape } = node.attributes;
    const isWeight = weights.used.has(name);
    point.set(name, random(sizeOf(shape), isWeight ? 1.5 / Math.sqrt(shape.at(-1) ?? 1) : 1));
    if (isWeight) direction.set(name, random(sizeOf(shape), 1));
  }
  const lossAt = (step: number): number => {
    const feeds = [...point].map(([name, values]) => {
      const along = direction.get(name);
      return [name, along ? values.map((x, i) => x + step * along[i]) : values] as const;
    });
    return interpret(graph, [loss], Object.fromEntries(feeds))[0].reduce((sum, x) => sum + x, 0);
  };

  const names = [...weights.used].filter(([, weight]) => read.has(weight)).map(([name]) => name);
  const slopes = interpret(graph, gradients, Object.fromEntries(point)).map((gradient, index) => {
    const along = direction.get(names[index]) ?? new Float64Array();
    return gradient.reduce((sum, x, i) => sum + x * along[i], 0);
  });
  const analytic = slopes.reduce((sum, slope) => sum + slope, 0);
  const step = 1e-5;
  const numeric = (lossAt(step) - lossAt(-step)) / (2 * step);
  assert.ok(slopes.every((slope) => slope !== 0));
  const error = Math.abs(analytic - numeric) / Math.abs(numeric);
  assert.ok(error < 1e-6, `${analytic} against ${numeric}`);
}

describe("gradients with respect to every weight of", () => {
  it("the MM-DiT with query-key norms and dual attention, through its activation checkpoints", () => {
    const config = mmditConfigSchema.parse({
      ...{ _class_name: "SD3Transformer2DModel", sample_size: 4, patch_size: 2, in_channels: 3, num_layers: 3 },
      ...{ attention_head_dim: 4, num_attention_heads: 2, joint_attention_dim: 5, caption_projection_dim: 8 },
      ...{ pooled_projection_dim: 6, pos_embed_max_size: 3, dual_attention_layers: [1], qk_norm: "rms_norm" },
    });
    checkWeightGradients((w, graph) =>
      graph.withTaps(prefixTaps(input(graph, "soft_tokens", [2, 2, 1, 8]), 3), () =>
        mmdit(w, config, {
          sample: input(graph, "sample", [1, 3, 4, 2]),
          timestep: input(graph, "timestep", [1]),
          promptEmbeds: input(graph, "prompt_embeds", [2, 3, 5]),
          pooled: input(graph, "pooled", [2, 6]),
        }),
      ),
    );
  });

  for (const use_linear_projection of [false, true]) {
    it(`the UNet with ${use_linear_projection ? "linear" : "convolutional"} projections, through its activation checkpoints`, () => {
      const config = unetConfigSchema.parse({
        ...{ _class_name: "UNet2DConditionModel", in_channels: 2, out_channels: 2, use_linear_projection },
        ...{ block_out_channels: [4, 6], layers_per_block: 1, norm_num_groups: 2, attention_head_dim: [2, 3] },
        ...{ down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"] },
        ...{ up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"], cross_attention_dim: 5 },
        ...{ addition_embed_type: "text_time", addition_time_embed_dim: 2, projection_class_embeddings_input_dim: 15 },
      });
      checkWeightGradients((w, graph) => {
        const softTokens = input(graph, "soft_tokens", [2, 1, 2, 5]);
        const taps = (["down", "mid"] as const).map((stage) => afterFirstTap(w, softTokens, stage));
        return graph.withTaps(taps, () =>
          unet(w, config, {
            sample: input(graph, "sample", [1, 2, 3, 4]),
            timestep: input(graph, "timestep", [1]),
            added: { pooled: input(graph, "pooled", [2, 3]), timeIds: input(graph, "time_ids", [1, 6]) },
            promptEmbeds: input(graph, "prompt_embeds", [2, 3, 5]),
          }),
        );
      });
    });
  }

  const autoencoder = autoencoderConfigSchema.parse({
    ...{ _class_name: "AutoencoderKL", block_out_channels: [4, 6], layers_per_block: 1, latent_channels: 2 },
    ...{ norm_num_groups: 2, scaling_factor: 1 },
    ...{ down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"] },
    ...{ up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"] },
  });
  it("the autoencoder's encoder", () => {
    checkWeightGradients((w, graph) => vaeEncoder(w, autoencoder, input(graph, "image", [1, 3, 6, 4])).mean);
  });
  it("the autoencoder's decoder", () => {
    checkWeightGradients((w, graph) => vaeDecoder(w, autoencoder, input(graph, "latents", [1, 2, 3, 2])));
  });

  it("the CLIP text encoder", () => {
    const config = clipTextConfigSchema.parse({
      ...{ architectures: ["CLIPTextModelWithProjection"], hidden_size: 6, intermediate_size: 8, projection_dim: 4 },
      ...{ num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 5, vocab_size: 7 },
      ...{ hidden_act: "quick_gelu", eos_token_id: 2, layer_norm_eps: 1e-5 },
    });
    checkWeightGradients((w, graph) => {
      const inputIds = integers(graph, [2, 5], [1, 3, 3, 6, 6, 1, 4, 5, 2, 6]);
      const { textEmbeds } = clipTextEncoder(w, config, { inputIds, eosPositions: integers(graph, [2], [3, 4]) });
      assert.ok(textEmbeds);
      return textEmbeds;
    });
  });

  it("the T5 encoder", () => {
    const config = t5ConfigSchema.parse({
      ...{ vocab_size: 7, d_model: 6, d_kv: 3, d_ff: 8, num_layers: 2, num_heads: 2 },
      ...{ relative_attention_num_buckets: 8, relative_attention_max_distance: 16 },
      ...{ feed_forward_proj: "gated-gelu", layer_norm_epsilon: 1e-6 },
    });
    checkWeightGradients((w, graph) => t5Encoder(w, config, integers(graph, [2, 4], [1, 3, 3, 6, 0, 4, 5, 2])));
  });
});
