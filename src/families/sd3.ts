/** @file Stable Diffusion 3 and 3.5: three text encoders, MM-DiT, flow matching (diffusers pipeline_stable_diffusion_3.py). */

import { hasSubtree } from "../models/original/network.js";
import { mmditPipelineParts } from "../pipelines/mmdit-pipeline.js";
import {
  autoencoderKlPart,
  clipGPart,
  clipLPart,
  denoiserPrefix,
  mmditPart,
  t5Part,
} from "../pipelines/single-file-parts.js";
import type { Family } from "./family.js";

export const sd3 = {
  name: "sd3",
  title: "Stable Diffusion 3",
  className: "StableDiffusion3Pipeline",
  architecture: "stable-diffusion-3",
  defaults: {
    steps: 28,
    guidanceScale: 4,
    dweight: 0,
    layers: 5,
    stages: null,
    initialTokens: "noise",
  },
  paper: { buckets: 100, epochs: 2 },
  open: mmditPipelineParts,
  singleFile: {
    matches: (source) => hasSubtree(source, `${denoiserPrefix}joint_blocks.`),
    networks: [mmditPart(128), autoencoderKlPart(1.5305, 0.0609)],
    encoders: [
      clipLPart("text_encoders.clip_l.transformer.", { identityProjection: true }),
      clipGPart("text_encoders.clip_g.transformer."),
      t5Part("text_encoders.t5xxl.transformer."),
    ],
    scheduler: { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000, shift: 3 },
  },
} satisfies Family;
