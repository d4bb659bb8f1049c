/** @file `softrepa edit --edits`: edits the images of a list, without tokens and with them, and reports the scores. */

import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { InputError, SoftrepaError } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { isFile } from "../../core/missing.js";
import { savePng } from "../../data/png.js";
import { readTextFile } from "../../data/text-file.js";
import { pngThumbnail } from "../../data/thumbnail.js";
import { defaultMethod, editImage } from "../../editing/edit-image.js";
import { type ListedEdit, withoutUnusedSource } from "../../editing/edit-list.js";
import { editMethod } from "../../editing/index.js";
import { sampleMask } from "../../editing/mask.js";
import { readRgb } from "../../editing/read-image.js";
import { resizeImage } from "../../editing/resize-image.js";
import { openSourceImage } from "../../editing/source-image.js";
import { hashFile } from "../../evaluation/metrics/feature-cache.js";
import { openMetrics } from "../../evaluation/metrics/open-metrics.js";
import { type Report, writeReport } from "../../evaluation/report/index.js";
import { addMetrics, editFile, type FinishedEdit, matchNoises, scoreEdits } from "../../evaluation/run/edit-scores.js";
import { scoresReport, writeScores } from "../../evaluation/run/index.js";
import { defaultPairsPerRun } from "../../objectives/execution-plan.js";
import { modelName } from "../../pipelines/model-name.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { requireSize } from "../../pipelines/sizes.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { openEngine } from "../../runtime/open-engine.js";
import { SamplingCache } from "../../sampling/sampling-cache.js";
import { openTokens } from "../../softtokens/open.js";
import type { EditListOptions } from "../commands/edit.js";
import { engineRequest } from "../common.js";
import type { CommandContext } from "../context.js";
import { withFlags } from "../flags.js";
import { printScores, provenance } from "./report-scores.js";
import { withPipeline } from "./session.js";

interface Failure {
  readonly edit: ListedEdit;
  readonly reason: string;
}

export async function runEditList(options: EditListOptions, context: CommandContext): Promise<void> {
  const { out, edits } = options;
  const { reporter } = context;
  await prepareFolder(options);
  const failures: Failure[] = [];
  const { finished, scores } = await withPipeline(options, reporter, async (pipeline) => {
    const finished = await editAll(pipeline, options, context, failures);
    if (finished.length === 0) return { finished, scores: null };
    const latentSide = pipeline.defaultSize / pipeline.vaeScaleFactor;
    const tokens = pipeline.tokensPerPair([pipeline.latentChannels, latentSide, latentSide]);
    const scores = await scoreEdits(pipeline, finished, {
      folder: out,
      variants: variantsOf(options),
      pairsPerRun: defaultPairsPerRun(1, tokens, pipeline.engine.precision),
      signal: context.signal,
      onProgress: (label, done, total) => reporter.progress(label, done, total),
    });
    return { finished, scores };
  });
  const notRun = failures.map(({ edit, reason }) => ({ name: `edit ${edit.name}`, reason }));
  if (scores !== null) {
    scores.notRun.push(...notRun);
    await report(options, finished, scores, context);
  }
  if (failures.length > 0) {
    const [first] = failures;
    throw new InputError(`${failures.length} of ${edits.length} edits failed, the first: ${first?.reason}`);
  }
}

/** Base, and with tokens both, side by side. */
function variantsOf({ tokens }: EditListOptions): readonly string[] {
  return tokens === undefined ? ["base"] : ["base", "tokens"];
}

/** Continues in a folder of the same list and options; any other folder must be empty, or is overwritten with `force`. */
async function prepareFolder(options: EditListOptions): Promise<void> {
  const { out, force, edits, edit, size, method, methodOptions, model, strength, tokens } = options;
  const tokensHash = tokens === undefined ? null : await hashFile(tokens);
  const settings = { model, tokensHash, strength, method, methodOptions, size, ...edit, edits };
  const text = `${JSON.stringify({ format: "softrepa-edits", ...settings }, null, 1)}\n`;
  const file = join(out, "edits.json");
  if (await isFile(file)) {
    if ((await readTextFile(file)) === text) return;
    if (!force) {
      throw new InputError(`${out} has edits of another list or other options; name another \`out\`, or use \`force\``);
    }
  } else await requireRunFolder(out, force);
  for (const folder of ["source", "base", "tokens"]) await rm(join(out, folder), { recursive: true, force: true });
  await writeFileAtomic(file, text);
}

/** Edits each image that has no result yet. An image that cannot be read is a failure, and the others are edited. */
async function editAll(
  pipeline: DiffusionPipeline,
  options: EditListOptions,
  { reporter, signal }: CommandContext,
  failures: Failure[],
): Promise<FinishedEdit[]> {
  const { model, tokens: tokensFile, strength, force, size, edits, out } = options;
  for (const side of size ? [size.width, size.height] : []) requireSize(pipeline, "size", side);
  const warn = (message: string) => reporter.warn(message);
  const softTokens = await openTokens(tokensFile, pipeline, { force, warn });
  const variants = variantsOf(options);
  const cache = new SamplingCache(pipeline);
  const finished: FinishedEdit[] = [];
  try {
    for (const [index, listed] of edits.entries()) {
      const seed = listed.seed ?? options.edit.seed;
      const method = editMethod(options.method ?? defaultMethod(pipeline, listed), options.methodOptions);
      const ofMask = listed.mask === undefined ? { maskGrow: undefined, feather: undefined } : {};
      const request = { ...options.edit, ...size, ...withoutUnusedSource(listed, method), ...ofMask, seed };
      try {
        const source = await openSourceImage(pipeline, request);
        const { width, height } = source.sizes.output;
        const pixels = await resizeImage(source.pixels, source.sizes.output);
        const sourceFile = editFile(out, "source", listed.name);
        await savePng(sourceFile, pixels, {});
        const edited = new Map<string, { readonly file: string; readonly pixels: FinishedEdit["source"]["pixels"] }>();
        for (const variant of variants) {
          const file = editFile(out, variant, listed.name);
          if (!(await isFile(file))) {
            const image = await editImage(pipeline, {
              ...request,
              method,
              model: modelName(model),
              tokens: variant === "tokens" && softTokens ? { softTokens, file: tokensFile ?? "", strength } : null,
              maxSequenceLength: options.maxSequenceLength,
              variant: options.variant,
              repackWeights: options.repack,
              cache,
              signal,
              onProgress: (done, total) =>
                reporter.progress(`edit ${index + 1} of ${edits.length}, ${variant}`, done, total),
              onNotice: (notice) => reporter.event("notice", { edit: listed.name, message: withFlags(notice) }),
              onTruncated: truncationWarner(warn),
            });
            await image.save(file);
            reporter.event("image", { file, variant, ...image.settings }, `${file}  seed ${seed}  ${listed.target}`);
          }
          edited.set(variant, { file, pixels: (await readRgb(file)).pixels });
        }
        finished.push({
          title: `${listed.name}: ${listed.target}`,
          target: listed.target,
          seed,
          source: { file: sourceFile, pixels },
          mask: source.mask && sampleMask(source.mask, width, height).data,
          edited,
        });
      } catch (error) {
        if (!(error instanceof SoftrepaError) || error.kind !== "input") throw error;
        const reason = withFlags(error.message);
        failures.push({ edit: listed, reason });
        reporter.event("failure", { edit: listed.name, message: reason });
        reporter.warn(`edit ${listed.name}: ${reason}`);
      }
    }
  } finally {
    await cache.close();
  }
  return finished;
}

/** Largest side of an image in the page. */
const thumbnailSide = 256;

async function report(
  options: EditListOptions,
  edits: readonly FinishedEdit[],
  match: Awaited<ReturnType<typeof scoreEdits>>,
  { reporter, signal }: CommandContext,
): Promise<void> {
  const { out, weights } = options;
  const precision = options.precision === "auto" ? "fp32" : options.precision;
  const { engine } = await openEngine({ ...engineRequest(options), precision });
  let scores = match;
  try {
    const names = ["CLIPScore", "ImageReward", "LPIPS"] as const;
    const metrics = await openMetrics(engine, { weights, names, cache: join(out, "features") });
    scores = await addMetrics(match, edits, metrics, {
      signal,
      onProgress: (label, done, total) => reporter.progress(label, done, total),
    });
  } finally {
    await engine.close();
  }
  const made = await scoresReport(scores, {
    title: `Edits of ${basename(options.list)}`,
    folder: out,
    settings: {
      model: modelName(options.model),
      ...(options.tokens !== undefined && { tokens: basename(options.tokens) }),
      ...provenance(),
    },
  });
  const page = await withSources(made, edits);
  const files = [...Object.values(await writeScores(out, scores)), ...Object.values(await writeReport(out, page))];
  printScores(scores, page, files, reporter);
}

/** Shows the source before the edited images. */
async function withSources(report: Report, edits: readonly FinishedEdit[]): Promise<Report> {
  const { gallery, notes = [] } = report;
  if (gallery === undefined) return report;
  const items: (typeof gallery.items)[number][] = [];
  for (const item of gallery.items) {
    const edit = edits.find(({ title }) => title === item.prompt);
    if (edit === undefined) throw new RangeError(`no edit ${item.prompt}`);
    const source = Buffer.from(await pngThumbnail(edit.source.file, thumbnailSide)).toString("base64");
    items.push({ ...item, source });
  }
  const explained = `The match with the target prompt is the pointwise mutual information of image and prompt under the model without tokens, estimated from ${matchNoises.nodes} noise levels with ${matchNoises.noises} noise samples each. PSNR is at most 60 dB, for equal images.`;
  return { ...report, gallery: { ...gallery, items }, notes: [explained, ...notes] };
}
