/** @file Networks that the single-file checkpoints of several families share. */

import { originalAutoencoder } from "../models/original/autoencoder-kl.js";
import { originalMmdit } from "../models/original/mmdit.js";
import { type ClipFamily, originalClipText, originalT5 } from "../models/original/text-encoders.js";
import { originalUnet, type UnetFamily } from "../models/original/unet.js";
import type { OriginalEncoder, OriginalPart } from "./single-file-layout.js";

/** Prefix of the denoiser's keys. */
export const denoiserPrefix = "model.diffusion_model.";

export function unetPart(family: UnetFamily): OriginalPart {
  return {
    component: "unet",
    title: "UNet",
    prefix: denoiserPrefix,
    read: (source) => originalUnet(source, family),
  };
}

/** `sampleSize` is in latents per side. */
export function mmditPart(sampleSize: number): OriginalPart {
  return {
    component: "transformer",
    title: "transformer",
    prefix: denoiserPrefix,
    read: (source) => originalMmdit(source, sampleSize),
  };
}

export function autoencoderKlPart(scaling_factor: number, shift_factor: number | null = null): OriginalPart {
  return {
    component: "vae",
    title: "autoencoder",
    prefix: "first_stage_model.",
    read: (source) => originalAutoencoder(source, { scaling_factor, shift_factor }),
  };
}

/** OpenAI's CLIP ViT-L, the first text encoder. */
export function clipLPart(prefix: string, options: Omit<ClipFamily, "activation"> = {}): OriginalEncoder {
  return {
    component: "text_encoder",
    title: "CLIP-L",
    prefix,
    read: (source) => originalClipText(source, { activation: "quick_gelu", ...options }),
    tokenizer: { kind: "clip", component: "tokenizer", pad: "<|endoftext|>" },
    files: ["clip_l.safetensors"],
    optional: false,
  };
}

/** OpenCLIP's ViT-bigG, the second text encoder. */
export function clipGPart(prefix: string): OriginalEncoder {
  return {
    component: "text_encoder_2",
    title: "CLIP-G",
    prefix,
    read: (source) => originalClipText(source, { activation: "gelu" }),
    tokenizer: { kind: "clip", component: "tokenizer_2", pad: "!" },
    files: ["clip_g.safetensors"],
    optional: false,
  };
}

/** T5, the third text encoder. */
export function t5Part(prefix: string): OriginalEncoder {
  return {
    component: "text_encoder_3",
    title: "T5",
    prefix,
    read: originalT5,
    tokenizer: { kind: "t5", component: "tokenizer_3" },
    files: ["t5xxl_fp16.safetensors", "t5xxl_bf16.safetensors", "t5xxl.safetensors"],
    optional: true,
  };
}

/** scheduler_config.json of Stable Diffusion's noise schedule, without the scheduler's class. */
export const scaledLinear = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  num_train_timesteps: 1000,
  prediction_type: "epsilon",
  steps_offset: 1,
  timestep_spacing: "leading",
  trained_betas: null,
};
