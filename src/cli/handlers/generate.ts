/** @file `softrepa generate`: what it does. */

import { modelName } from "../../pipelines/model-name.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { writeImages } from "../../sampling/image-files.js";
import { openTokens } from "../../softtokens/open.js";
import type { GenerateCommandOptions } from "../commands/generate.js";
import type { CommandContext } from "../context.js";
import { withPipeline } from "./session.js";

export async function runGenerate(
  options: GenerateCommandOptions,
  { reporter, signal }: CommandContext,
): Promise<void> {
  const { model, tokens: file, strength, force, repack, ...request } = options;
  const warn = (message: string) => reporter.warn(message);
  await withPipeline(options, reporter, async (pipeline) => {
    const softTokens = await openTokens(file, pipeline, { force, warn });
    const images = writeImages(pipeline, {
      ...request,
      model: modelName(model),
      tokens: softTokens && { softTokens, file: file ?? "", strength },
      repackWeights: repack,
      signal,
      onProgress: (done, total) => reporter.progress("steps", done, total),
      onTruncated: truncationWarner(warn),
    });
    for await (const { file, settings } of images) {
      reporter.event("image", { file, ...settings }, `${file}  seed ${settings.seed}  ${settings.prompt}`);
    }
  });
}
