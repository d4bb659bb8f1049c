import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Graph } from "../graph/graph.js";
import type { GraphBuilder, Value } from "../graph/ir.js";
import { input } from "../graph/ops.js";
import { readJson } from "../testing/models/support.js";
import { autoencoderConfigSchema, vaeDecoder, vaeEncoder } from "./autoencoder-kl.js";
import { clipTextConfigSchema, clipTextEncoder } from "./clip-text.js";
import { clipVisionConfigSchema, clipVisionEncoder } from "./clip-vision.js";
import { fidInception, inceptionSide } from "./fid-inception.js";
import { imageReward } from "./image-reward.js";
import { lpips } from "./lpips.js";
import { mmdit, mmditConfigSchema } from "./mmdit.js";
import { t5ConfigSchema, t5Encoder } from "./t5-encoder.js";
import { unet } from "./unet.js";
import { unetConfigSchema } from "./unet-config.js";
import { Weights } from "./weights.js";

type Build = (w: Weights, graph: Graph) => void;

/** `a.b` of `a.b.weight`. */
function parent(name: string): string {
  return name.split(".").slice(0, -1).join(".");
}

/** The deepest module that contains all of `modules`. */
function commonModule(modules: readonly string[]): string {
  const [first = [], ...rest] = modules.map((name) => name.split("."));
  const length = rest.reduce((most, parts) => {
    const differs = parts.findIndex((part, index) => part !== first[index]);
    return Math.min(most, differs === -1 ? parts.length : differs);
  }, first.length);
  return first.slice(0, length).join(".");
}

interface NamedNode {
  readonly op: string;
  readonly scope: string;
  readonly module: string;
}

/** Operator, scope and module of the weights for each product, convolution and attention of a network. */
function modulesOf(build: Build): NamedNode[] {
  const graph = new Graph();
  const w = Weights.asInputs(graph);
  build(w, graph);
  const keys = new Map([...w.used].map(([key, value]) => [value, key]));
  /** Modules of the weights that `value` is computed from, up to the first ones on each path. */
  const modulesBehind = (value: Value): string[] => {
    const key = keys.get(value);
    if (key !== undefined) return [parent(key)];
    const { op, inputs } = graph.producerOf(value);
    return (op === "gemm" ? inputs.slice(1) : inputs).flatMap(modulesBehind);
  };
  return graph.nodes.flatMap(({ op, scope, inputs }): NamedNode[] => {
    if (op === "gemm" || op === "conv2d") {
      return [{ op, scope, module: commonModule(inputs.slice(1).flatMap(modulesBehind)) }];
    }
    if (op !== "attention") return [];
    const projections = inputs.slice(0, 3).flatMap(modulesBehind).map(parent);
    return [{ op, scope, module: commonModule(projections) }];
  });
}

function unetOf(path: string): Build {
  return (w, graph) => {
    const config = unetConfigSchema.parse(readJson(path));
    const added = config.pooledWidth !== null && {
      pooled: input(graph, "pooled", [1, config.pooledWidth]),
      timeIds: input(graph, "time_ids", [1, 6]),
    };
    unet(w, config, {
      sample: input(graph, "sample", [1, config.in_channels, 8, 8]),
      timestep: input(graph, "timestep", [1]),
      added: added || null,
      promptEmbeds: input(graph, "prompt_embeds", [1, 3, config.crossWidth]),
    });
  };
}

function mmditOf(path: string): Build {
  return (w, graph) => {
    const config = mmditConfigSchema.parse(readJson(path));
    mmdit(w, config, {
      sample: input(graph, "sample", [1, config.in_channels, 8, 8]),
      timestep: input(graph, "timestep", [1]),
      promptEmbeds: input(graph, "prompt_embeds", [1, 3, config.joint_attention_dim]),
      pooled: input(graph, "pooled", [1, config.pooled_projection_dim]),
    });
  };
}

const ids = (graph: GraphBuilder) => input(graph, "ids", [1, 5], "int64");

const networks: Readonly<Record<string, Build>> = {
  "the UNet of SD1.5": unetOf("sd15/pipeline/unet/config.json"),
  "the UNet of SDXL": unetOf("sdxl/pipeline/unet/config.json"),
  "the MM-DiT of SD3": mmditOf("sd3/pipeline/transformer/config.json"),
  "the MM-DiT of SD3.5": mmditOf("sd35/pipeline/transformer/config.json"),
  "the autoencoder": (w, graph) => {
    const config = autoencoderConfigSchema.parse(readJson("sd15/pipeline/vae/config.json"));
    vaeEncoder(w, config, input(graph, "image", [1, 3, 16, 16]));
    vaeDecoder(w, config, input(graph, "latents", [1, config.latent_channels, 4, 4]));
  },
  "CLIP's text encoder": (w, graph) => {
    const config = clipTextConfigSchema.parse(readJson("sdxl/pipeline/text_encoder_2/config.json"));
    clipTextEncoder(w, config, { inputIds: ids(graph), eosPositions: input(graph, "eos", [1], "int64") });
  },
  "CLIP's vision encoder": (w, graph) => {
    const config = clipVisionConfigSchema.parse({
      ...{ hidden_size: 8, intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 2, image_size: 8 },
      patch_size: 4,
    });
    clipVisionEncoder(w, config, 6, input(graph, "pixels", [1, 3, 8, 8]));
  },
  "T5's encoder": (w, graph) => {
    t5Encoder(w, t5ConfigSchema.parse(readJson("sd3/pipeline/text_encoder_3/config.json")), ids(graph));
  },
  "FID's Inception": (w, graph) => {
    fidInception(w, input(graph, "pixels", [1, 3, inceptionSide, inceptionSide]));
  },
  LPIPS: (w, graph) => {
    lpips(w, w, input(graph, "a", [1, 3, 32, 32]), input(graph, "b", [1, 3, 32, 32]));
  },
  ImageReward: (w, graph) => {
    const shared = { width: 8, layers: 2, heads: 2 };
    imageReward(
      w,
      {
        vision: { ...shared, patch: 4, side: 8 },
        text: { ...shared, intermediate: 16, vocabulary: 11, positions: 7 },
      },
      {
        pixels: input(graph, "pixels", [1, 3, 8, 8]),
        inputIds: ids(graph),
        attentionMask: input(graph, "mask", [1, 5], "int64"),
      },
    );
  },
};

describe("products, convolutions and attentions have the module name of their weights in", () => {
  for (const [name, build] of Object.entries(networks)) {
    it(name, () => {
      const modules = modulesOf(build);
      assert.ok(modules.length > 0);
      for (const { op, scope, module } of modules) assert.equal(scope, module, op);
    });
  }
});

describe("attentions", () => {
  it("of the UNet of SD1.5 have unique names", () => {
    const attentions = modulesOf(unetOf("sd15/pipeline/unet/config.json")).filter(({ op }) => op === "attention");
    const scopes = attentions.map(({ scope }) => scope);
    assert.equal(new Set(scopes).size, scopes.length);
    assert.ok(scopes.includes("up_blocks.1.attentions.0.transformer_blocks.0.attn1"));
  });
});

describe("a network's nodes", () => {
  it("include the scope around the network", () => {
    const graph = new Graph();
    const config = t5ConfigSchema.parse(readJson("sd3/pipeline/text_encoder_3/config.json"));
    graph.within("t5", () => t5Encoder(Weights.asInputs(graph), config, ids(graph)));
    const attention = graph.nodes.find(({ op }) => op === "attention");
    assert.equal(attention?.scope, "t5.encoder.block.0.layer.0.SelfAttention");
  });
  it("are named in errors", () => {
    const graph = new Graph();
    const config = mmditConfigSchema.parse(readJson("sd3/pipeline/transformer/config.json"));
    const build = () =>
      mmdit(Weights.asInputs(graph), config, {
        sample: input(graph, "sample", [1, config.in_channels, 8, 8]),
        timestep: input(graph, "timestep", [1]),
        promptEmbeds: input(graph, "prompt_embeds", [2, 3, config.joint_attention_dim]),
        pooled: input(graph, "pooled", [3, config.pooled_projection_dim]),
      });
    assert.throws(build, { name: "GraphError", message: /^transformer_blocks\.0: mul\(/ });
  });
});
