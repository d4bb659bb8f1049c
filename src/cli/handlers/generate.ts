/** @file `softrepa generate`: what it does. */

import { basename, resolve } from "node:path";
import { a1111Parameters } from "../../data/a1111.js";
import { savePng } from "../../data/png.js";
import { requireSize } from "../../pipelines/sizes.js";
import { generate } from "../../sampling/generate.js";
import type { GenerateCommandOptions } from "../commands/generate.js";
import type { CommandContext } from "../context.js";
import { modelName, openTokens, truncationWarner, withPipeline } from "./session.js";

export async function runGenerate(
  options: GenerateCommandOptions,
  { reporter, signal }: CommandContext,
): Promise<void> {
  const { jobs, model, negative, strength } = options;
  await withPipeline(options, reporter, async (pipeline) => {
    const softTokens = await openTokens(options.tokens, pipeline);
    const { steps = pipeline.defaults.steps, guidance = pipeline.defaults.guidanceScale } = options;
    const { width = pipeline.defaultSize, height = pipeline.defaultSize } = options;
    const shared = { model: modelName(model), negative, steps, guidance, width, height };
    const tokens = options.tokens === undefined ? {} : { tokens: basename(resolve(options.tokens)), strength };
    const scheduler = options.scheduler === undefined ? pipeline.scheduler : pipeline.schedulerNamed(options.scheduler);
    requireSize(pipeline, "--width", width);
    requireSize(pipeline, "--height", height);
    reporter.progress("steps", 0, jobs.length * scheduler.start(steps).timesteps.length);
    const images = generate(pipeline, {
      jobs,
      negative,
      steps,
      scheduler,
      guidanceScale: guidance,
      width,
      height,
      softTokens,
      strength,
      batch: options.batch,
      signal,
      onProgress: (done, total) => reporter.progress("steps", done, total),
      onTruncated: truncationWarner(reporter),
    });
    for await (const { job, image } of images) {
      const { prompt, seed, file } = job;
      const settings = {
        prompt,
        seed,
        ...shared,
        ...tokens,
        sampler: scheduler.title,
        provider: pipeline.engine.provider,
        maxSequenceLength: options.maxSequenceLength,
        variant: options.variant,
      };
      await savePng(file, image, {
        parameters: a1111Parameters({
          ...shared,
          prompt,
          seed,
          sampler: scheduler.title,
          extra: options.tokens === undefined ? {} : { "Soft tokens": tokens.tokens ?? "", Strength: strength },
        }),
        softrepa: JSON.stringify(settings),
      });
      reporter.event("image", { file, ...settings }, `${file}  seed ${seed}  ${prompt}`);
    }
  });
}
