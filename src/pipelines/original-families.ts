/**
 * @file The families of single-file checkpoints: which networks they hold under which prefix, and what their tensors do not tell,
 * as the configurations of the same models in diffusers folders have it.
 */

import { originalAutoencoder } from "../models/original/autoencoder-kl.js";
import { originalMmdit } from "../models/original/mmdit.js";
import type { OriginalNetwork } from "../models/original/network.js";
import { type ClipFamily, originalClipText, originalT5 } from "../models/original/text-encoders.js";
import { originalUnet } from "../models/original/unet.js";
import type { WeightSource } from "../weights/source.js";

/** One network of a checkpoint. */
export interface OriginalPart {
  /** Its name in a diffusers folder. */
  readonly component: string;
  /** Its name in messages. */
  readonly title: string;
  /** In front of its keys, in the checkpoint. */
  readonly prefix: string;
  readonly read: (source: WeightSource) => OriginalNetwork;
}

/** A text encoder, which a checkpoint may lack. */
export interface OriginalEncoder extends OriginalPart {
  readonly tokenizer: {
    readonly kind: "clip" | "t5";
    /** Its name in a diffusers folder. */
    readonly component: string;
    /** The token that pads CLIP's texts. */
    readonly pad?: string;
  };
  /** Names that it has where each encoder is a file of its own, the likeliest first. */
  readonly files: readonly string[];
  /** Whether the pipeline can do without. */
  readonly optional: boolean;
}

export interface OriginalFamily {
  readonly title: string;
  /** The class that model_index.json of the same model names. */
  readonly className: string;
  /** Denoiser and autoencoder. */
  readonly networks: readonly OriginalPart[];
  readonly encoders: readonly OriginalEncoder[];
  /** scheduler_config.json */
  readonly scheduler: Readonly<Record<string, unknown>>;
}

const denoiser = "model.diffusion_model.";

function autoencoder(scaling_factor: number, shift_factor: number | null = null): OriginalPart {
  return {
    component: "vae",
    title: "autoencoder",
    prefix: "first_stage_model.",
    read: (source) => originalAutoencoder(source, { scaling_factor, shift_factor }),
  };
}

/** CLIP ViT-L of OpenAI, the first text encoder of all families. */
function clipL(prefix: string, options: Omit<ClipFamily, "activation"> = {}): OriginalEncoder {
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

/** CLIP ViT-bigG of OpenCLIP, the second one. */
function clipG(prefix: string): OriginalEncoder {
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

const t5: OriginalEncoder = {
  component: "text_encoder_3",
  title: "T5",
  prefix: "text_encoders.t5xxl.transformer.",
  read: originalT5,
  tokenizer: { kind: "t5", component: "tokenizer_3" },
  files: ["t5xxl_fp16.safetensors", "t5xxl_bf16.safetensors", "t5xxl.safetensors"],
  optional: true,
};

const diffusion = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  num_train_timesteps: 1000,
  prediction_type: "epsilon",
  steps_offset: 1,
  timestep_spacing: "leading",
  trained_betas: null,
};

export const originalFamilies = {
  sd15: {
    title: "Stable Diffusion 1.5",
    className: "StableDiffusionPipeline",
    networks: [
      {
        component: "unet",
        title: "UNet",
        prefix: denoiser,
        read: (source) => originalUnet(source, { sampleSize: 64, heads: { count: 8 } }),
      },
      autoencoder(0.18215),
    ],
    encoders: [clipL("cond_stage_model.transformer.")],
    scheduler: { ...diffusion, _class_name: "PNDMScheduler", set_alpha_to_one: false, skip_prk_steps: true },
  },
  sdxl: {
    title: "Stable Diffusion XL",
    className: "StableDiffusionXLPipeline",
    networks: [
      {
        component: "unet",
        title: "UNet",
        prefix: denoiser,
        read: (source) => originalUnet(source, { sampleSize: 128, heads: { width: 64 } }),
      },
      autoencoder(0.13025),
    ],
    encoders: [clipL("conditioner.embedders.0.transformer."), clipG("conditioner.embedders.1.model.")],
    scheduler: { ...diffusion, _class_name: "EulerDiscreteScheduler", interpolation_type: "linear" },
  },
  sd3: {
    title: "Stable Diffusion 3",
    className: "StableDiffusion3Pipeline",
    networks: [
      {
        component: "transformer",
        title: "transformer",
        prefix: denoiser,
        read: (source) => originalMmdit(source, 128),
      },
      autoencoder(1.5305, 0.0609),
    ],
    encoders: [
      clipL("text_encoders.clip_l.transformer.", { identityProjection: true }),
      clipG("text_encoders.clip_g.transformer."),
      t5,
    ],
    scheduler: { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000, shift: 3 },
  },
} as const satisfies Readonly<Record<string, OriginalFamily>>;

export type OriginalFamilyName = keyof typeof originalFamilies;
