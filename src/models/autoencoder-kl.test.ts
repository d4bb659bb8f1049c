import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { floatTensor } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import { input } from "../graph/ops.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import {
  alterSource,
  assertClose,
  families,
  firstIssue,
  readComponent,
  readGoldens,
  refuses,
  reshaped,
  runModel,
} from "../testing/models/support.js";
import type { WeightSource } from "../weights/source.js";
import {
  autoencoderConfigSchema,
  autoencoderDialect,
  vaeDecoder,
  vaeDecoderIgnoredKeys,
  vaeEncoder,
  vaeEncoderIgnoredKeys,
  vaeScale,
} from "./autoencoder-kl.js";
import { translateKeys } from "./dialect.js";
import { clamp } from "./layers.js";
import { Weights } from "./weights.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());
const tolerance = { atol: 1e-5, rtol: 1e-4 };

describe("autoencoder against diffusers", () => {
  for (const family of families) {
    it(family, async () => {
      const { source, config } = await readComponent(`${family}/pipeline/vae`);
      const parsed = autoencoderConfigSchema.parse(config);
      const goldens = await readGoldens(`${family}/vae.safetensors`);
      const encoded = await runModel(engine, source, { image: goldens("image") }, (w, feed) => {
        const { mean, logvar } = vaeEncoder(w, parsed, feed("image"));
        w.requireAllUsed(...vaeEncoderIgnoredKeys);
        return { mean, logvar };
      });
      assertClose(`${family} mean`, encoded("mean"), goldens("mean"), tolerance);
      assertClose(`${family} logvar`, encoded("logvar"), goldens("logvar"), tolerance);
      const decoded = await runModel(engine, source, { latent: goldens("latent") }, (w, feed) => {
        const image = vaeDecoder(w, parsed, feed("latent"));
        w.requireAllUsed(...vaeDecoderIgnoredKeys);
        return { image };
      });
      assertClose(`${family} decoded`, decoded("image"), goldens("decoded"), tolerance);
      assert.equal((goldens("image").shape[2] ?? 0) / (goldens("mean").shape[2] ?? 0), vaeScale(parsed));
    });
  }
});

it("clamps", async () => {
  const nothing = { origin: "nothing", tensors: new Map(), metadata: {} };
  const x = floatTensor([5], Float32Array.of(-31, -30, 0.5, 20, 20.5));
  const read = await runModel(engine, nothing, { x }, (_, feed) => ({ y: clamp(feed("x"), -30, 20) }));
  assert.deepEqual([...read("y").data], [-30, -30, 0.5, 20, 20]);
});

const { source: sd15, config: sd15Json } = await readComponent("sd15/pipeline/vae");
const sd15Config = autoencoderConfigSchema.parse(sd15Json);

/** Encoder and decoder in one graph, so that every key is used. */
function build(source: WeightSource, config = sd15Config, channels = config.in_channels) {
  const graph = new Graph();
  const w = Weights.of(graph, translateKeys(source, autoencoderDialect));
  vaeEncoder(w, config, input(graph, "image", [1, channels, 16, 24]));
  vaeDecoder(w, config, input(graph, "latents", [1, config.latent_channels, 4, 6]));
  w.requireAllUsed();
  return graph;
}

describe("autoencoder with other checkpoints", () => {
  it("reads the older names of the attention", () => {
    const older = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
    const source = alterSource(sd15, (name, stored) => {
      const renamed = Object.entries(older).reduce(
        (key, [now, then]) => key.replace(`attentions.0.${now}.`, `attentions.0.${then}.`),
        name,
      );
      return [renamed, stored];
    });
    assert.equal([...source.tensors.keys()].filter((name) => /query|key|value|proj_attn/.test(name)).length, 16);
    build(source);
    const both = new Map([...sd15.tensors, ...source.tensors]);
    refuses(
      () => build({ ...sd15, tensors: both }),
      /16 tensors do not belong.*attentions\.0\.(query|key|value|proj_attn)/,
    );
  });

  it("reads a middle block without attention", () => {
    const source = alterSource(sd15, (name, stored) => (name.includes("attentions") ? null : [name, stored]));
    build(source, { ...sd15Config, mid_block_add_attention: false });
    refuses(() => build(source), /attentions\.0\..* is missing/);
  });

  it("rejects a missing tensor", () => {
    const key = "encoder.down_blocks.1.resnets.0.conv_shortcut.weight";
    const source = alterSource(sd15, (name, stored) => (name === key ? null : [name, stored]));
    refuses(() => build(source), /encoder\.down_blocks\.1\.resnets\.0\.conv_shortcut\.weight is missing/);
  });

  it("rejects a wrong shape, and an image with another number of channels", () => {
    const key = "decoder.up_blocks.2.resnets.0.norm1.weight";
    const source = alterSource(sd15, (name, stored) => [name, name === key ? reshaped(stored, [8]) : stored]);
    refuses(() => build(source), /up_blocks\.2\.resnets\.0\.norm1\.weight has shape \[8\].* \[16\]/);
    refuses(() => build(sd15, sd15Config, 4), /encoder\.conv_in\.weight has shape \[8,3,3,3\].* \[8,4,3,3\]/);
  });

  it("rejects unused tensors", () => {
    const config = { ...sd15Config, use_quant_conv: false };
    refuses(() => build(sd15, config), /2 tensors do not belong.*quant_conv\.(weight|bias)/);
  });

  it("rejects configurations of other models", () => {
    const fault = (change: object) => firstIssue(autoencoderConfigSchema, { ...sd15Config, ...change });
    const blocks = ["DownEncoderBlock2D", "AttnDownEncoderBlock2D", "DownEncoderBlock2D"];
    assert.match(fault({ down_block_types: blocks }), /^down_block_types\.1: /);
    assert.match(fault({ up_block_types: ["AttnUpDecoderBlock2D"] }), /^up_block_types\.0: /);
    assert.match(fault({ act_fn: "relu" }), /^act_fn: /);
    assert.equal(fault({ norm_num_groups: 3 }), "norm_num_groups: must divide all block_out_channels");
    assert.match(fault({ latents_mean: [0, 0, 0, 0] }), /^latents_mean: /);
    assert.match(fault({ _class_name: "AutoencoderTiny" }), /^_class_name: /);
  });

  it("reads SD1.5's configuration, which lacks the newer options", () => {
    const { use_quant_conv, use_post_quant_conv, mid_block_add_attention, shift_factor, ...older } = sd15Config;
    assert.deepEqual(
      { ...autoencoderConfigSchema.parse(older), shift_factor },
      { ...older, use_quant_conv: true, use_post_quant_conv: true, mid_block_add_attention: true, shift_factor },
    );
    assert.ok(use_quant_conv && use_post_quant_conv && mid_block_add_attention);
  });
});
