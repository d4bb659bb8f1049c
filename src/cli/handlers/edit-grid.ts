/** @file `softrepa edit --grid`: one image edited with several values of options, as a labelled sheet. */

import { join } from "node:path";
import { throwIfAborted, UsageError } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { at } from "../../core/lists.js";
import { savePng } from "../../data/png.js";
import { defaultMethod, editImage } from "../../editing/edit-image.js";
import { editMethod } from "../../editing/index.js";
import { resizeImage } from "../../editing/resize-image.js";
import { openSourceImage } from "../../editing/source-image.js";
import { type GridCell, renderEditGrid } from "../../evaluation/report/edit-grid.js";
import { editFile, type FinishedEdit, matchMetric, psnr, scoreEdits } from "../../evaluation/run/edit-scores.js";
import { defaultPairsPerRun } from "../../objectives/execution-plan.js";
import { modelName } from "../../pipelines/model-name.js";
import { requireSize } from "../../pipelines/sizes.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { keyOf } from "../../runs/config/keys.js";
import { SamplingCache } from "../../sampling/sampling-cache.js";
import { openTokens } from "../../softtokens/open.js";
import type { EditGridOptions } from "../commands/edit.js";
import type { CommandContext } from "../context.js";
import { withPipeline } from "./session.js";

export async function runEditGrid(options: EditGridOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { model, tokens: tokensFile, strength, force, edit, size, axes, out } = options;
  const warn = (message: string) => reporter.warn(message);
  const [rows, columns] = axes;
  if (rows === undefined) throw new UsageError("`grid` is empty");
  await withPipeline(options, reporter, async (pipeline) => {
    for (const side of size ? [size.width, size.height] : []) requireSize(pipeline, "size", side);
    const name = options.method ?? defaultMethod(pipeline, edit);
    const settings = rows.values.flatMap((row) =>
      (columns?.values ?? [undefined]).map((column) => ({
        [rows.option]: row,
        ...(columns && { [columns.option]: column }),
      })),
    );
    // All combinations are checked before the first is run.
    const methods = settings.map((own) => editMethod(name, { ...options.methodOptions, ...own }));
    const { family, scheduler, defaults } = pipeline;
    for (const method of methods) {
      method.prepare({ family, scheduler, defaults, softTokens: tokensFile !== undefined && strength > 0 });
    }
    const softTokens = await openTokens(tokensFile, pipeline, { force, warn });
    const request = { ...edit, ...size };
    const { pixels, sizes } = await openSourceImage(pipeline, request);
    const source = { file: editFile(out, ".", "source"), pixels: await resizeImage(pixels, sizes.output) };
    await savePng(source.file, source.pixels, {});
    const cache = new SamplingCache(pipeline);
    const edited = new Map<string, FinishedEdit["source"]>();
    try {
      for (const [index, method] of methods.entries()) {
        throwIfAborted(signal);
        const own = Object.entries(at(settings, index));
        const title = own.map(([option, value]) => `${keyOf(option)}=${value}`).join(" ");
        const image = await editImage(pipeline, {
          ...request,
          method,
          model: modelName(model),
          tokens: softTokens && { softTokens, file: tokensFile ?? "", strength },
          maxSequenceLength: options.maxSequenceLength,
          variant: options.variant,
          repackWeights: options.repack,
          cache,
          signal,
          onProgress: (done, total) => reporter.progress(`edit ${index + 1} of ${methods.length}`, done, total),
          onTruncated: truncationWarner(warn),
        });
        const file = editFile(out, ".", title.replaceAll(" ", "_"));
        await image.save(file);
        reporter.event("image", { file, ...image.settings }, file);
        edited.set(title, { file, pixels: image.pixels });
      }
    } finally {
      await cache.close();
    }
    const latentSide = pipeline.defaultSize / pipeline.vaeScaleFactor;
    const tokensPerPair = pipeline.tokensPerPair([pipeline.latentChannels, latentSide, latentSide]);
    // Each cell is a variant of one edit, so that all are scored on the same noise.
    const finished = { title: "grid", target: edit.target, seed: edit.seed, source, mask: null, edited };
    const scores = await scoreEdits(pipeline, [finished], {
      folder: out,
      variants: [...edited.keys()],
      pairsPerRun: defaultPairsPerRun(1, tokensPerPair, pipeline.engine.precision),
      signal,
      onProgress: (label, done, total) => reporter.progress(label, done, total),
    });
    const cells = scores.variants.map(({ name: title, images }): GridCell => {
      const { file, pixels: after } = edited.get(title) ?? source;
      const match = at(images, 0).scores[matchMetric.name] ?? Number.NaN;
      return { title, file, match, psnr: psnr(source.pixels, after) };
    });
    const sheet = join(out, "sheet.html");
    const page = await renderEditGrid({
      title: `${edit.source === undefined ? "" : `${edit.source} \u2192 `}${edit.target}`,
      method: name,
      seed: edit.seed,
      source: source.file,
      rows: { name: keyOf(rows.option), values: rows.values },
      columns: columns && { name: keyOf(columns.option), values: columns.values },
      cells,
    });
    await writeFileAtomic(sheet, page);
    reporter.event("grid", { file: sheet, cells }, sheet);
  });
}
