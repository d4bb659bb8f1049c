import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { builtInFamilies } from "../families/index.js";
import { sd3 } from "../families/sd3.js";
import { sd15 } from "../families/sd15.js";
import { sdxl } from "../families/sdxl.js";
import { readManifest, shapesOnly } from "../testing/models/original.js";
import { recognise } from "./recognise.js";

describe("recognise", () => {
  const others: [string, Readonly<Record<string, readonly number[]>>, RegExp][] = [
    ["a LoRA", { "lora_unet_down_blocks_0_attentions_0.lora_down.weight": [4, 8] }, /is a LoRA, which modifies/],
    ["a LoRA of diffusers", { "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": [4, 8] }, /is a LoRA/],
    ["an autoencoder", { "decoder.up.0.block.0.conv1.weight": [8, 8, 3, 3] }, /is an autoencoder alone/],
    [
      "an autoencoder with its prefix",
      { "first_stage_model.encoder.conv_in.weight": [8, 3, 3, 3] },
      /is an autoencoder alone/,
    ],
    ["a text encoder", { "text_model.embeddings.token_embedding.weight": [9, 8] }, /is a text encoder alone/],
    ["T5", { "encoder.block.0.layer.0.SelfAttention.q.weight": [8, 8] }, /is a text encoder alone/],
    [
      "a network of diffusers",
      { "down_blocks.0.resnets.0.conv1.weight": [8, 8, 3, 3] },
      /is one network of a diffusers/,
    ],
    [
      "a transformer of diffusers",
      { "transformer_blocks.0.attn.to_q.weight": [8, 8] },
      /is one network of a diffusers/,
    ],
    ["soft tokens", { tokens: [5, 4, 8], t_tokens: [100, 40] }, /is a file of soft tokens, which is for `tokens`/],
    ["the authors' tokens", { "": [5, 4, 8] }, /is a file of soft tokens/],
    ["textual inversion", { emb_params: [4, 8] }, /is an embedding \(textual inversion\)/],
    ["a ControlNet", { "control_model.input_hint_block.0.weight": [8, 3, 3, 3] }, /is a ControlNet/],
    ["Flux", { "double_blocks.0.img_attn.qkv.weight": [24, 8] }, /is a Flux model/],
    [
      "Flux with its prefix",
      { "model.diffusion_model.double_blocks.0.img_attn.qkv.weight": [24, 8] },
      /is a Flux model/,
    ],
    ["a transformer", { "joint_blocks.0.x_block.attn.qkv.weight": [24, 8] }, /3 transformer alone/],
    ["an empty file", {}, /is a file without tensors/],
    ["something else", { "conv_first.weight": [8, 3, 3, 3] }, /not a known model \(1 tensors, the first is "conv_f/],
  ];
  for (const [name, shapes, message] of others) {
    it(`rejects ${name}`, () => {
      assert.throws(
        () => recognise(shapesOnly(shapes, "x.safetensors"), builtInFamilies),
        (error) => {
          return error instanceof InputError && message.test(error.message) && !error.message.includes("\n");
        },
      );
    });
  }

  const { original } = readManifest("sd15");
  const unets: [string, Readonly<Record<string, readonly number[]>>, RegExp][] = [
    ["inpainting", { "model.diffusion_model.input_blocks.0.0.weight": [32, 9, 3, 3] }, /is an inpainting model/],
    ["editing", { "model.diffusion_model.input_blocks.0.0.weight": [32, 8, 3, 3] }, /is an image-editing model/],
    ["depth", { "model.diffusion_model.input_blocks.0.0.weight": [32, 5, 3, 3] }, /UNet has 5 input channels, not 4/],
    ["a broken UNet", { "model.diffusion_model.input_blocks.0.0.weight": [] }, /UNet has no input channels/],
    ["SD2", { "cond_stage_model.model.ln_final.weight": [64] }, /is a Stable Diffusion 2 model/],
    [
      "SD2 without its text encoder",
      { "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight": [64, 1024] },
      /is a Stable Diffusion 2 model/,
    ],
    ["a refiner", { "conditioner.embedders.0.model.ln_final.weight": [64] }, /XL's refiner/],
    ["Playground", { edm_mean: [1, 4, 1, 1] }, /is a model of the EDM formulation/],
    ["video", { "model.diffusion_model.input_blocks.1.1.time_stack.0.ff.weight": [4] }, /is a video model/],
    ["a ControlNet inside", { "control_model.zero_convs.0.0.weight": [4] }, /with a ControlNet inside/],
  ];
  for (const [name, changes, message] of unets) {
    it(`rejects a UNet: ${name}`, () => {
      assert.throws(() => recognise(shapesOnly({ ...original, ...changes }), builtInFamilies), message);
    });
  }

  it("recognises each family by its keys", () => {
    for (const [family, record] of [
      ["sd15", sd15],
      ["sdxl", sdxl],
      ["sd3", sd3],
      ["sd35", sd3],
    ] as const) {
      const { original, ignored } = readManifest(family);
      assert.equal(recognise(shapesOnly({ ...original, ...ignored }), builtInFamilies), record);
    }
  });
});
