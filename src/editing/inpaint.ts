/**
 * @file Inpainting with a model that was not trained for it: the latents outside the mask are reset after every step (diffusers'
 * StableDiffusionInpaintPipeline and StableDiffusion3InpaintPipeline, for networks without mask channels). At strength 1 it starts from pure
 * noise, so that nothing of the image is left inside the mask.
 */

import type { z } from "zod";
import type { MethodSpec } from "./method.js";
import { fromSourceOptions, prepareFromSource } from "./sample-from-source.js";

const strength = 1;
const options = fromSourceOptions(strength);
export type InpaintOptions = z.input<typeof options>;

export const inpaintSpec: MethodSpec<typeof options.shape> = {
  name: "inpaint",
  summary: "repaints the white part of the mask",
  families: null,
  sourcePrompt: "unused",
  negativePrompt: true,
  mask: "required",
  posterior: "sample",
  options,
  prepare: (given, model) => prepareFromSource(given, model, strength, (one) => (one === 1 ? "noise" : "noised")),
};
