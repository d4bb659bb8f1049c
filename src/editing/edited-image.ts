/** @file An edited image with the settings that made it. */

import { basename, resolve } from "node:path";
import type { FloatTensor } from "../core/tensor.js";
import { a1111Parameters } from "../data/a1111.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { GeneratedImage } from "../sampling/generated-image.js";
import type { Edit, EditRequest } from "./edit-request.js";

export function editedImage(
  pipeline: DiffusionPipeline,
  request: EditRequest,
  { method, prepared, image: { sizes } }: Edit,
  pixels: FloatTensor,
): GeneratedImage {
  const { target, source, negative, seed, model, tokens, image, mask } = request;
  const { steps, guidance, targetGuidance, imageStrength } = prepared.settings;
  const { width, height } = sizes.output;
  const nameOf = (file: string) => basename(resolve(file));
  const settings = {
    prompt: target,
    seed,
    model,
    method: method.name,
    ...(source !== undefined && { source }),
    ...(method.negativePrompt && { negative: negative ?? "" }),
    ...prepared.settings,
    stepsRun: prepared.stepsRun,
    width,
    height,
    editedWidth: sizes.working.width,
    editedHeight: sizes.working.height,
    ...(typeof image === "string" && { image: nameOf(image) }),
    ...(mask !== undefined && {
      mask: mask === "alpha" ? mask : nameOf(mask),
      maskGrow: request.maskGrow ?? 0,
      feather: request.feather ?? 0,
      paste: request.paste ?? true,
    }),
    resize: request.resize ?? "fit",
    ...(tokens && { tokens: nameOf(tokens.file), strength: tokens.strength }),
    sampler: pipeline.scheduler.title,
    provider: pipeline.engine.provider,
    maxSequenceLength: request.maxSequenceLength,
    variant: request.variant,
  };
  const parameters = a1111Parameters({
    prompt: target,
    negative: negative ?? "",
    steps: Number(steps),
    sampler: pipeline.scheduler.title,
    guidance: Number(guidance ?? targetGuidance),
    seed,
    width,
    height,
    model,
    extra: {
      ...(imageStrength !== undefined && { "Denoising strength": Number(imageStrength) }),
      "Edit method": method.name,
      ...(tokens && { "Soft tokens": nameOf(tokens.file), Strength: tokens.strength }),
    },
  });
  return new GeneratedImage(pixels, settings, parameters);
}
