/**
 * @file Inpainting with a model that was not trained for it: what is outside of the mask is put back after every step (diffusers'
 * StableDiffusionInpaintPipeline and StableDiffusion3InpaintPipeline, for networks without mask channels). At strength 1 it starts from noise
 * alone, so that nothing of the old image is left inside of the mask.
 */

import type { z } from "zod";
import type { MethodSpec } from "./method.js";
import { fromSourceOptions, prepareFromSource } from "./sample-from-source.js";

const strength = 1;
const options = fromSourceOptions(strength);
export type InpaintOptions = z.input<typeof options>;

export const inpaintSpec: MethodSpec<typeof options.shape> = {
  name: "inpaint",
  summary: "what is white in the mask is painted anew",
  families: null,
  sourcePrompt: "unused",
  negativePrompt: true,
  mask: "required",
  posterior: "sample",
  options,
  prepare: (given, model) => prepareFromSource(given, model, strength, (one) => (one === 1 ? "noise" : "noised")),
};
