/**
 * @file Stable Diffusion 1 and 2 and their fine-tunes: one CLIP text encoder and a UNet (diffusers
 * pipeline_stable_diffusion.py).
 */

import { hasSubtree } from "../models/original/network.js";
import { openSingleClip } from "../pipelines/clip-text-encoders.js";
import { isSd2, isTextToImageUnet } from "../pipelines/original-unets.js";
import {
  autoencoderKlPart,
  clipLPart,
  denoiserPrefix,
  scaledLinear,
  unetPart,
} from "../pipelines/single-file-parts.js";
import { unetPipelineParts } from "../pipelines/unet-pipeline.js";
import type { Family } from "./family.js";

export const sd15 = {
  name: "sd15",
  title: "Stable Diffusion 1.5",
  className: "StableDiffusionPipeline",
  architecture: "stable-diffusion-v1",
  defaults: {
    steps: 30,
    guidanceScale: 7,
    dweight: 10,
    layers: 1,
    stages: ["down"],
    initialTokens: "empty-prompt",
  },
  paper: { buckets: 100, epochs: 2 },
  open: (source) =>
    unetPipelineParts(source, {
      openTextEncoders: openSingleClip,
      // diffusers' pipeline overrides both, since the files of old models are outdated.
      schedulerChanges: { steps_offset: 1, clip_sample: false },
      forceZerosForEmptyPrompt: false,
    }),
  singleFile: {
    matches: (source) =>
      isTextToImageUnet(source) && !hasSubtree(source, `${denoiserPrefix}label_emb.`) && !isSd2(source),
    networks: [unetPart({ sampleSize: 64, heads: { count: 8 } }), autoencoderKlPart(0.18215)],
    encoders: [clipLPart("cond_stage_model.transformer.")],
    scheduler: { ...scaledLinear, _class_name: "PNDMScheduler", set_alpha_to_one: false, skip_prk_steps: true },
  },
} satisfies Family;
