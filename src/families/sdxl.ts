/**
 * @file Stable Diffusion XL and its fine-tunes: two CLIP text encoders and a UNet conditioned on the image size (arXiv
 * 2307.01952; diffusers pipeline_stable_diffusion_xl.py).
 */

import { InputError } from "../core/errors.js";
import { hasSubtree } from "../models/original/network.js";
import { openTwoClips } from "../pipelines/clip-text-encoders.js";
import { isTextToImageUnet } from "../pipelines/original-unets.js";
import {
  autoencoderKlPart,
  clipGPart,
  clipLPart,
  denoiserPrefix,
  scaledLinear,
  unetPart,
} from "../pipelines/single-file-parts.js";
import { unetPipelineParts } from "../pipelines/unet-pipeline.js";
import type { Family } from "./family.js";

export const sdxl = {
  name: "sdxl",
  title: "Stable Diffusion XL",
  className: "StableDiffusionXLPipeline",
  architecture: "stable-diffusion-xl-v1-base",
  defaults: {
    steps: 30,
    guidanceScale: 7,
    dweight: 10,
    layers: 1,
    stages: ["down", "mid"],
    initialTokens: "noise",
  },
  paper: { buckets: 0, epochs: 1 },
  open: async (source) => {
    const { path, components, settings } = source.folder;
    for (const component of ["text_encoder", "text_encoder_2"]) {
      if (!components.has(component)) {
        throw new InputError(`${path} has no ${component}: only base models of Stable Diffusion XL are supported`);
      }
    }
    // True by default, as in diffusers' pipeline.
    const forceZerosForEmptyPrompt = settings.force_zeros_for_empty_prompt !== false;
    return unetPipelineParts(source, { openTextEncoders: openTwoClips, forceZerosForEmptyPrompt });
  },
  singleFile: {
    matches: (source) => isTextToImageUnet(source) && hasSubtree(source, `${denoiserPrefix}label_emb.`),
    networks: [unetPart({ sampleSize: 128, heads: { width: 64 } }), autoencoderKlPart(0.13025)],
    encoders: [clipLPart("conditioner.embedders.0.transformer."), clipGPart("conditioner.embedders.1.model.")],
    scheduler: { ...scaledLinear, _class_name: "EulerDiscreteScheduler", interpolation_type: "linear" },
  },
} satisfies Family;
