/** @file Detects the kind of UNet in a checkpoint of the original layout, since several resemble a text-to-image UNet. */

import { hasKeyLike, hasSubtree } from "../models/original/network.js";
import { shapeOf, type WeightSource } from "../weights/source.js";
import { denoiserPrefix } from "./single-file-parts.js";

/** Whether the checkpoint has a text-to-image UNet with four latent channels. */
export function isTextToImageUnet(source: WeightSource): boolean {
  return hasUnet(source) && unsupportedUnet(source) === null;
}

export function hasUnet(source: WeightSource): boolean {
  return hasSubtree(source, `${denoiserPrefix}input_blocks.`);
}

/** Stable Diffusion 2 differs from 1 only in its text encoder. */
export function isSd2(source: WeightSource): boolean {
  const crossWidth = shapeOf(source, `${denoiserPrefix}middle_block.1.transformer_blocks.0.attn2.to_k.weight`)?.[1];
  return hasSubtree(source, "cond_stage_model.model.") || crossWidth === 1024;
}

/** Describes a checkpoint with another kind of UNet; null for a text-to-image UNet. */
export function unsupportedUnet(source: WeightSource): string | null {
  if (hasSubtree(source, "control_model.")) return "a checkpoint with a ControlNet inside";
  if (hasKeyLike(source, /\.(?:time_stack|time_mixer|motion_modules)\./)) return "a video model";
  const channels = shapeOf(source, `${denoiserPrefix}input_blocks.0.0.weight`)?.[1];
  if (channels === 9) return "an inpainting model (its UNet reads a mask too: 9 input channels)";
  if (channels === 8) return "an image-editing model (its UNet reads an image too: 8 input channels)";
  if (channels !== 4) return `a model whose UNet has ${channels ?? "no"} input channels, not 4`;
  if (hasKeyLike(source, /^edm_/)) return "a model of the EDM formulation, such as Playground 2.5";
  if (hasSubtree(source, "conditioner.embedders.0.model.")) return "Stable Diffusion XL's refiner";
  return null;
}
