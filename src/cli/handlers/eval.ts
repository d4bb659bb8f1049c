/** @file `softrepa eval`: generates images where asked to, evaluates them and reports the scores. */

import { stat } from "node:fs/promises";
import { cpus } from "node:os";
import { basename, extname } from "node:path";
import { UsageError } from "../../core/errors.js";
import { shorten } from "../../core/text.js";
import { listImages } from "../../data/folder-files.js";
import { hashFile } from "../../evaluation/metrics/feature-cache.js";
import { openMetrics } from "../../evaluation/metrics/open-metrics.js";
import type { Report } from "../../evaluation/report/index.js";
import {
  type EvaluationScores,
  type FidReference,
  generateVariants,
  type ImageSet,
  readImageSet,
  requireSamePrompts,
  runMetrics,
  type VariantPrompt,
  variantNames,
} from "../../evaluation/run/index.js";
import { modelName } from "../../pipelines/model-name.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { openEngine } from "../../runtime/open-engine.js";
import { heldOutPrompts } from "../../scenes/prompts.js";
import { openTokens } from "../../softtokens/open.js";
import type { EvalCommandOptions, EvalSubject, PromptSource } from "../commands/eval.js";
import { engineRequest } from "../common.js";
import type { CommandContext } from "../context.js";
import type { Reporter } from "../reporter.js";
import { reportScores } from "./report-scores.js";
import { withPipeline } from "./session.js";

type Settings = NonNullable<Report["settings"]>;

export async function runEval(options: EvalCommandOptions, context: CommandContext): Promise<void> {
  const { subject } = options;
  if (subject.kind === "images") {
    const sets = await readSets(subject.folders, subject.prompts);
    requireSamePrompts(sets);
    for (const set of sets) reportPairing(set, context.reporter);
    await evaluate(sets, options, context, { further: [{ name: "images", value: subject.folders.join(", ") }] });
    return;
  }
  // withPipeline frees the pipeline's memory before the networks of the metrics are opened.
  const { folders, settings } = await withPipeline({ ...options, model: subject.model }, context.reporter, (pipeline) =>
    generateSubject(pipeline, options, subject, context),
  );
  await evaluate(await readSets(folders, null), options, context, settings);
}

async function readSets(folders: readonly string[], prompts: Parameters<typeof readImageSet>[2]) {
  const names = variantNames(folders);
  const sets: ImageSet[] = [];
  for (const [index, folder] of folders.entries()) {
    sets.push(await readImageSet(folder, names[index] ?? basename(folder), prompts));
  }
  return sets;
}

/** Prints which image was given which prompt: a wrong order would not show in the scores. */
function reportPairing({ name, images }: ImageSet, reporter: Reporter): void {
  const pairs = images.map(({ file, prompt, seed }) => ({ file, prompt, seed }));
  const shown = [...new Set([0, 1, pairs.length - 1])].flatMap((index) => pairs[index] ?? []);
  const lines = shown.map(({ file, prompt }) => `${basename(file)} ${JSON.stringify(shorten(prompt, 40))}`);
  const skipped = pairs.length > lines.length ? [...lines.slice(0, -1), "...", ...lines.slice(-1)] : lines;
  reporter.event("pairing", { variant: name, pairs }, `${name}: ${pairs.length} images: ${skipped.join(", ")}`);
}

async function generateSubject(
  pipeline: DiffusionPipeline,
  options: EvalCommandOptions,
  { model, source }: Extract<EvalSubject, { kind: "pipeline" }>,
  { reporter, signal }: CommandContext,
): Promise<{ folders: string[]; settings: Settings }> {
  const { tokens: file, strength, negative, batch, seed, seeds } = options;
  const prompts = seededPrompts(source, options);
  const warn = (message: string) => reporter.warn(message);
  const softTokens = await openTokens(file, pipeline, { force: options.force, warn });
  const { steps = pipeline.defaults.steps, guidance = pipeline.defaults.guidanceScale } = options;
  const folders = await generateVariants(pipeline, {
    folder: options.out,
    prompts,
    tokens: softTokens === null || file === undefined ? null : { file, softTokens, strength },
    model: modelName(model),
    negative,
    steps,
    guidance,
    batch,
    repackWeights: options.repack,
    maxSequenceLength: options.maxSequenceLength,
    variant: options.variant,
    signal,
    onProgress: (variant, done, total) => reporter.progress(`${variant}: steps`, done, total),
    onTruncated: truncationWarner(warn),
  });
  const settings: Settings = {
    model: modelName(model),
    ...(file === undefined ? {} : { tokens: basename(file) }),
    guidanceScale: guidance,
    steps,
    seeds: [seed],
    further: [
      {
        name: "prompts",
        value: `${prompts.length / seeds}, ${seeds} images each; seeds count up from image to image`,
      },
      ...(file === undefined ? [] : [{ name: "strength", value: String(strength) }]),
      ...(negative === "" ? [] : [{ name: "negative prompt", value: negative }]),
    ],
  };
  return { folders, settings };
}

/** Gives every image its own seed, so that no two images start from the same noise. */
function seededPrompts(source: PromptSource, { seed, seeds }: EvalCommandOptions): VariantPrompt[] {
  const prompts: Omit<VariantPrompt, "seed">[] =
    source.kind === "scenes"
      ? heldOutPrompts(source.count, seed).map(({ prompt, category, expectation }) => ({
          prompt,
          category,
          metadata: { expectation },
        }))
      : [...source.prompts];
  return prompts.flatMap((prompt, index) =>
    Array.from({ length: seeds }, (_, number) => ({ ...prompt, seed: seed + index * seeds + number })),
  );
}

async function evaluate(
  sets: readonly ImageSet[],
  options: EvalCommandOptions,
  { reporter, signal }: CommandContext,
  settings: Settings,
): Promise<void> {
  const { out, weights, metrics: names, cache } = options;
  const started = performance.now();
  const reference = await openReference(options.reference);
  // fp32 by default, so that scores can be compared with published ones.
  const precision = options.precision === "auto" ? "fp32" : options.precision;
  const { engine } = await openEngine({ ...engineRequest(options), precision });
  let scores: EvaluationScores;
  try {
    const metrics = await openMetrics(engine, { weights, names, cache });
    scores = await runMetrics(sets, {
      folder: out,
      metrics,
      reference,
      saveStatistics: options.saveStatistics ?? null,
      signal,
      onProgress: (label, done, total) => reporter.progress(label, done, total),
    });
  } finally {
    await engine.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const details = {
    title: `Evaluation of ${sets.map(({ name }) => name).join(", ")}`,
    settings,
    cost: {
      phases: [{ name: "metrics", seconds }],
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      processor: cpus()[0]?.model.trim() || "unknown",
      threads: options.threads ?? cpus().length,
    },
  };
  await reportScores(scores, out, details, reporter);
}

async function openReference(path: string | undefined): Promise<FidReference | null> {
  if (path === undefined) return null;
  if (!(await stat(path)).isDirectory()) {
    if (extname(path) !== ".npz") throw new UsageError(`\`reference\` ${path} is neither a folder nor an .npz file`);
    return { kind: "statistics", file: path };
  }
  const files = await listImages(path);
  const images = [];
  for (const file of files) images.push({ file, hash: await hashFile(file), prompt: "" });
  return { kind: "images", name: basename(path), images };
}
