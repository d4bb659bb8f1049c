/** @file Editing an image from start to end: encode, run a method, decode, paste. */

import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import type { GeneratedImage } from "../sampling/generated-image.js";
import { SamplingCache } from "../sampling/sampling-cache.js";
import { requireFit } from "../softtokens/softtokens.js";
import { changeNotice } from "./change.js";
import { withContext } from "./edit-context.js";
import type { Edit, EditRequest } from "./edit-request.js";
import { editedImage } from "./edited-image.js";
import { type EditMethodName, editMethod, requireUse } from "./index.js";
import { coverage, latentMask, pasteWeights, sampleMask } from "./mask.js";
import type { EditMethod } from "./method.js";
import { paste, resizeImage } from "./resize-image.js";
import { openSourceImage, type SourceImage } from "./source-image.js";
import { isFlow } from "./strength.js";

/**
 * Edits one image. Noise is drawn from the seed in the order of the method's reference implementation.
 *
 * @throws UsageError if options contradict each other or do not fit the model; InputError if the image or the mask cannot be used
 */
export async function editImage(pipeline: DiffusionPipeline, request: EditRequest): Promise<GeneratedImage> {
  const { tokens } = request;
  const { family, scheduler, defaults } = pipeline;
  const method = request.method ?? editMethod(defaultMethod(pipeline, request));
  requireInputs(method, request);
  const softTokens = tokens !== null && tokens.strength > 0 ? tokens.softTokens : null;
  if (softTokens !== null) requireFit(softTokens, pipeline.softTokenLayout);
  const prepared = method.prepare({ family, scheduler, defaults, softTokens: softTokens !== null });
  const edit = { method, prepared, image: await openSourceImage(pipeline, request) };
  const { pixels, sizes } = edit.image;
  request.onProgress?.(0, prepared.denoiserRuns);
  if (prepared.stepsRun === 0) {
    request.onNotice?.("no step runs, so the image is unchanged: raise `imageStrength` or `steps`");
    return editedImage(pipeline, request, edit, await resizeImage(pixels, sizes.output));
  }
  const cache = request.cache ?? new SamplingCache(pipeline);
  try {
    const latents = await editedLatents(pipeline, cache, request, edit);
    const decoded = await pipeline.decodeLatents(latents, { signal: request.signal });
    const edited = await resizeImage(floatTensor(decoded.shape.slice(1), decoded.data), sizes.output);
    return editedImage(pipeline, request, edit, await pasted(edit.image, edited, request));
  } finally {
    if (request.cache === undefined) {
      await cache.close();
      await pipeline.releaseEncoders();
    }
  }
}

/** Inpainting with a mask; without one FlowEdit on Stable Diffusion 3, and image to image on UNets. */
export function defaultMethod(
  { scheduler }: Pick<DiffusionPipeline, "scheduler">,
  { mask }: Pick<EditRequest, "mask">,
): EditMethodName {
  if (mask !== undefined) return "inpaint";
  return isFlow(scheduler) ? "flowedit" : "sdedit";
}

/** Rejects missing inputs, and inputs that the method does not use. */
export function requireInputs(
  { name, sourcePrompt, mask }: EditMethod,
  request: Pick<EditRequest, "source" | "target" | "negative" | "mask" | "feather">,
): void {
  if (request.target.trim() === "") throw new UsageError("`target` is empty: describe the edited image");
  if (sourcePrompt === "required" && request.source === undefined) {
    throw new UsageError(`${name} needs \`source\`, a prompt that describes the unedited image`);
  }
  if (request.source !== undefined) requireUse(name, "source", (one) => one.sourcePrompt !== "unused");
  if (request.negative !== undefined) requireUse(name, "negativePrompt", (one) => one.negativePrompt);
  if (mask === "required" && request.mask === undefined) {
    throw new UsageError(`${name} needs a \`mask\`, whose white pixels are repainted`);
  }
  if (request.mask === undefined && request.feather !== undefined) throw new UsageError("`feather` needs a `mask`");
}

async function editedLatents(
  pipeline: DiffusionPipeline,
  cache: SamplingCache,
  request: EditRequest,
  { method, prepared, image }: Edit,
): Promise<FloatTensor> {
  const { seed, source = "", target, negative = "", tokens, repackWeights, signal, onProgress } = request;
  const { width, height } = image.sizes.working;
  const latentSize = { width: width / pipeline.vaeScaleFactor, height: height / pipeline.vaeScaleFactor };
  const shape = [1, pipeline.latentChannels, latentSize.height, latentSize.width];
  const generator = new Generator(seed);
  const noise = method.posterior === "sample" ? generator.normal(shape) : undefined;
  const pixels = floatTensor([1, ...image.working.shape], image.working.data);
  const mask = image.mask && latentMask(image.mask, latentSize.width, latentSize.height);
  if (mask !== null && !mask.data.includes(1) && image.mask !== null && coverage(image.mask) > 0) {
    request.onNotice?.("the mask is too thin for any pixel of the latents, so nothing changes: raise `maskGrow`");
  }
  let done = 0;
  return withContext(
    pipeline,
    {
      cache,
      source: await pipeline.encodeImages(pixels, { noise, signal }),
      mask,
      prompts: { source, target },
      negative,
      softTokens: tokens?.softTokens ?? null,
      strength: tokens?.strength,
      drawNoise: () => generator.normal(shape),
      repackWeights,
      signal,
      onRun: () => onProgress?.(++done, prepared.denoiserRuns),
      onTruncated: request.onTruncated,
    },
    async (context) => {
      const edited = await prepared.run(context);
      const notice = changeNotice(context.source, edited, context.mask, prepared);
      if (notice !== undefined) request.onNotice?.(notice);
      return edited;
    },
  );
}

/** Copies the pixels outside the mask from the image. */
async function pasted(
  { pixels, mask, sizes }: SourceImage,
  edited: FloatTensor,
  { paste: pasting = true, feather = 0 }: EditRequest,
): Promise<FloatTensor> {
  if (mask === null || !pasting) return edited;
  const { output } = sizes;
  return paste(
    await resizeImage(pixels, output),
    edited,
    pasteWeights(sampleMask(mask, output.width, output.height), feather),
  );
}
