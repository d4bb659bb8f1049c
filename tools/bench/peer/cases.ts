/** @file The cases compared with PyTorch: networks at full width, with sizes that fit a small machine. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Shape } from "#softrepa/core/tensor.js";
import { type DenoiserConfig, denoiserConfigSchema } from "#softrepa/testing/synthetic/denoiser.js";

/** "train" is one row of a contrastive batch with gradients, "sample" one guided sampling step, "decode" one image from its latents. */
export const tasks = ["train", "sample", "decode"] as const;
export type Task = (typeof tasks)[number];

interface CommonCase {
  readonly name: string;
  readonly title: string;
  /** [channels, h, w] */
  readonly latentShape: Shape;
}

export interface DenoiserCase extends CommonCase {
  readonly task: "train" | "sample";
  readonly config: DenoiserConfig;
  readonly textLength: number;
  /** Captions of a row; two for a sampling step, the empty prompt and the prompt. */
  readonly promptCount: number;
  /** [layers, count, width], with the width of the text stream. */
  readonly softTokens: Shape;
}

export interface DecodeCase extends CommonCase {
  readonly task: "decode";
  /** vae/config.json */
  readonly config: Readonly<Record<string, unknown>>;
}

export type PeerCase = DenoiserCase | DecodeCase;

/** Stable Diffusion 1.5's autoencoder without the 1 x 1 convolution before the decoder, which peer.py also omits. */
const autoencoder = {
  _class_name: "AutoencoderKL",
  act_fn: "silu",
  in_channels: 3,
  out_channels: 3,
  latent_channels: 4,
  down_block_types: Array(4).fill("DownEncoderBlock2D"),
  up_block_types: Array(4).fill("UpDecoderBlock2D"),
  block_out_channels: [128, 256, 512, 512],
  layers_per_block: 2,
  norm_num_groups: 32,
  use_quant_conv: false,
  use_post_quant_conv: false,
  mid_block_add_attention: true,
  scaling_factor: 0.18215,
  sample_size: 512,
};

/** SDXL's UNet with fewer repeated blocks: one residual block per stage, and two transformer layers instead of ten. */
const sdxlConfig = {
  _class_name: "UNet2DConditionModel",
  act_fn: "silu",
  addition_embed_type: "text_time",
  addition_time_embed_dim: 256,
  attention_head_dim: [5, 10, 20],
  block_out_channels: [320, 640, 1280],
  cross_attention_dim: 2048,
  down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  out_channels: 4,
  layers_per_block: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  projection_class_embeddings_input_dim: 2816,
  sample_size: 128,
  transformer_layers_per_block: [1, 1, 2],
  use_linear_projection: true,
};

export async function peerCases(root: string): Promise<readonly PeerCase[]> {
  const folder = join(root, "test", "fixtures", "parity", "full");
  const [sd15, sd3] = await Promise.all(["sd15", "sd3"].map((name) => readConfig(join(folder, `${name}.json`))));
  const demoFile = join(root, "demo", "pipeline", "transformer", "config.json");
  const demo = denoiserConfigSchema.parse(JSON.parse(await readFile(demoFile, "utf8")));
  const fourBlocks: DenoiserConfig = { ...sd3, num_layers: 4 };
  const sdxl = denoiserConfigSchema.parse(sdxlConfig);
  const ofSd3 = { config: fourBlocks, latentShape: [16, 64, 64], textLength: 154, softTokens: [4, 4, 1536] };
  const ofSd15 = { config: sd15, textLength: 77, softTokens: [1, 4, 768] };
  const ofSdxl = { config: sdxl, latentShape: [4, 32, 32], textLength: 77, softTokens: [1, 4, 2048] };
  const ofDemo = { config: demo, latentShape: [4, 16, 16], textLength: 17, softTokens: [5, 4, 192] };
  const train = { task: "train", promptCount: 4 } as const;
  const sample = { task: "sample", promptCount: 2 } as const;
  return [
    { name: "sd3-train", title: "SD3-medium, 4 blocks, 1024 + 154 tokens: row of 4 pairs", ...ofSd3, ...train },
    { name: "sd3-sample", title: "SD3-medium, 4 blocks: guided sampling step", ...ofSd3, ...sample },
    { name: "sd15-train", title: "SD1.5 UNet, 32 x 32: row of 4 pairs", ...ofSd15, latentShape: [4, 32, 32], ...train },
    {
      name: "sd15-sample",
      title: "SD1.5 UNet, 64 x 64: guided sampling step",
      ...ofSd15,
      latentShape: [4, 64, 64],
      ...sample,
    },
    { name: "sdxl-train", title: "SDXL UNet with fewer blocks, 32 x 32: row of 4 pairs", ...ofSdxl, ...train },
    { name: "sdxl-sample", title: "SDXL UNet with fewer blocks, 32 x 32: guided sampling step", ...ofSdxl, ...sample },
    { name: "demo-train", title: "The demo's transformer: row of 8 pairs", ...ofDemo, task: "train", promptCount: 8 },
    { name: "demo-sample", title: "The demo's transformer: guided sampling step", ...ofDemo, ...sample },
    {
      name: "decode",
      title: "Autoencoder: 512 x 512 image",
      task: "decode",
      config: autoencoder,
      latentShape: [4, 64, 64],
    },
  ];
}

async function readConfig(file: string): Promise<DenoiserConfig> {
  return z.object({ config: denoiserConfigSchema }).parse(JSON.parse(await readFile(file, "utf8"))).config;
}
