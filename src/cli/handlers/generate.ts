/** @file `softrepa generate`: what it does. */

import type { GenerateCommandOptions } from "../commands/generate.js";
import type { CommandContext } from "../context.js";
import { drawImages } from "./draw-images.js";
import { openTokens, truncationWarner, withPipeline } from "./session.js";

export async function runGenerate(
  options: GenerateCommandOptions,
  { reporter, signal }: CommandContext,
): Promise<void> {
  await withPipeline(options, reporter, async (pipeline) => {
    const softTokens = await openTokens(options.tokens, pipeline, options.force, reporter);
    const tokens = softTokens && { softTokens, file: options.tokens ?? "", strength: options.strength };
    const images = drawImages(
      pipeline,
      { ...options, tokens },
      {
        signal,
        onProgress: (done, total) => reporter.progress("steps", done, total),
        onTruncated: truncationWarner(reporter),
      },
    );
    for await (const { file, settings } of images) {
      reporter.event("image", { file, ...settings }, `${file}  seed ${settings.seed}  ${settings.prompt}`);
    }
  });
}
