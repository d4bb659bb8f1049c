/**
 * @file SDEdit, known as image to image: the source is noised, then denoised with the target prompt (Meng et al. 2021,
 * arXiv 2108.01073; diffusers' StableDiffusionImg2ImgPipeline and StableDiffusion3Img2ImgPipeline). At strength 1 UNets keep 8 to 12% of the
 * source's signal; Stable Diffusion 3 keeps none and generates.
 */

import type { z } from "zod";
import type { MethodSpec } from "./method.js";
import { fromSourceOptions, prepareFromSource } from "./sample-from-source.js";

const strength = 0.6;
const options = fromSourceOptions(strength);
export type SdEditOptions = z.input<typeof options>;

export const sdEditSpec: MethodSpec<typeof options.shape> = {
  name: "sdedit",
  summary: "noises the image and denoises it with the target prompt (image to image)",
  families: null,
  sourcePrompt: "unused",
  negativePrompt: true,
  mask: "optional",
  posterior: "sample",
  options,
  prepare: (given, model) => prepareFromSource(given, model, strength, () => "noised"),
};
