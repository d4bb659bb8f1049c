/** @file `softrepa edit`: edits an image by text. */

import { defaultMethod, editImage } from "../../editing/edit-image.js";
import { editMethod } from "../../editing/index.js";
import { modelName } from "../../pipelines/model-name.js";
import { requireSize } from "../../pipelines/sizes.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { openTokens } from "../../softtokens/open.js";
import type { EditCommandOptions, SingleEditOptions } from "../commands/edit.js";
import type { CommandContext } from "../context.js";
import { withFlags } from "../flags.js";
import { runEditGrid } from "./edit-grid.js";
import { runEditList } from "./edit-list.js";
import { withPipeline } from "./session.js";

export function runEdit(options: EditCommandOptions, context: CommandContext): Promise<void> {
  switch (options.kind) {
    case "single":
      return runSingle(options, context);
    case "list":
      return runEditList(options, context);
    case "grid":
      return runEditGrid(options, context);
  }
}

async function runSingle(options: SingleEditOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { model, tokens: tokensFile, strength, force, edit, size, file } = options;
  const warn = (message: string) => reporter.warn(message);
  await withPipeline(options, reporter, async (pipeline) => {
    for (const side of size ? [size.width, size.height] : []) requireSize(pipeline, "size", side);
    const method = editMethod(options.method ?? defaultMethod(pipeline, edit), options.methodOptions);
    const softTokens = await openTokens(tokensFile, pipeline, { force, warn });
    const edited = await editImage(pipeline, {
      ...edit,
      ...size,
      method,
      model: modelName(model),
      tokens: softTokens && { softTokens, file: tokensFile ?? "", strength },
      maxSequenceLength: options.maxSequenceLength,
      variant: options.variant,
      repackWeights: options.repack,
      signal,
      onProgress: (done, total) => reporter.progress("denoiser runs", done, total),
      onNotice: (notice) => reporter.event("notice", { message: withFlags(notice) }, withFlags(notice)),
      onTruncated: truncationWarner(warn),
    });
    await edited.save(file);
    const { stepsRun, steps, seed, prompt } = edited.settings;
    reporter.event(
      "image",
      { file, ...edited.settings },
      `${file}  ${method.name}, ${stepsRun} of ${steps} steps  seed ${seed}  ${prompt}`,
    );
  });
}
