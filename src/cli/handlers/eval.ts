/** @file `softrepa eval` and `softrepa compare`: what they do. */

import { stat } from "node:fs/promises";
import { cpus } from "node:os";
import { basename, extname } from "node:path";
import { UsageError } from "../../core/errors.js";
import { packageVersion } from "../../core/version.js";
import { listImages } from "../../data/folder-files.js";
import { hashFile } from "../../evaluation/metrics/feature-cache.js";
import { openMetrics } from "../../evaluation/metrics/open-metrics.js";
import { comparisonLines, headlineOf, type Report, writeReport } from "../../evaluation/report/index.js";
import {
  compareScores,
  type EvaluationScores,
  type FidReference,
  generateVariants,
  type ImageSet,
  joinRuns,
  readImageSet,
  readRun,
  requireSamePrompts,
  runMetrics,
  scoresReport,
  type VariantPrompt,
  variantNames,
  writeScores,
} from "../../evaluation/run/index.js";
import { modelName } from "../../pipelines/model-name.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { truncationWarner } from "../../pipelines/truncation-warner.js";
import { openEngine } from "../../runtime/open-engine.js";
import { heldOutPrompts } from "../../scenes/prompts.js";
import { openTokens } from "../../softtokens/open.js";
import type { CompareCommandOptions } from "../commands/compare.js";
import type { EvalCommandOptions, EvalSubject, PromptSource } from "../commands/eval.js";
import { engineRequest } from "../common.js";
import type { CommandContext } from "../context.js";
import { withFlags } from "../flags.js";
import type { Reporter } from "../reporter.js";
import { withPipeline } from "./session.js";

type Settings = NonNullable<Report["settings"]>;

export async function runEval(options: EvalCommandOptions, context: CommandContext): Promise<void> {
  const { subject } = options;
  if (subject.kind === "images") {
    const sets = await readSets(subject.folders, subject.prompts);
    requireSamePrompts(sets);
    await judge(sets, options, context, { further: [{ name: "images", value: subject.folders.join(", ") }] });
    return;
  }
  // The pipeline's memory is free again before the metrics' networks are opened.
  const { folders, settings } = await withPipeline({ ...options, model: subject.model }, context.reporter, (pipeline) =>
    draw(pipeline, options, subject, context),
  );
  await judge(await readSets(folders, null), options, context, settings);
}

async function readSets(folders: readonly string[], prompts: Parameters<typeof readImageSet>[2]) {
  const names = variantNames(folders);
  const sets: ImageSet[] = [];
  for (const [index, folder] of folders.entries()) {
    sets.push(await readImageSet(folder, names[index] ?? basename(folder), prompts));
  }
  return sets;
}

async function draw(
  pipeline: DiffusionPipeline,
  options: EvalCommandOptions,
  { model, source }: Extract<EvalSubject, { kind: "pipeline" }>,
  { reporter, signal }: CommandContext,
): Promise<{ folders: string[]; settings: Settings }> {
  const { tokens: file, strength, negative, batch, seed, seeds } = options;
  const prompts = drawnPrompts(source, options);
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
        value: `${prompts.length / seeds}, ${seeds} images each; seeds count on from image to image`,
      },
      ...(file === undefined ? [] : [{ name: "strength", value: String(strength) }]),
      ...(negative === "" ? [] : [{ name: "negative prompt", value: negative }]),
    ],
  };
  return { folders, settings };
}

/** Every image has a seed of its own, so that no noise is evaluated twice. */
function drawnPrompts(source: PromptSource, { seed, seeds }: EvalCommandOptions): VariantPrompt[] {
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

async function judge(
  sets: readonly ImageSet[],
  options: EvalCommandOptions,
  { reporter, signal }: CommandContext,
  settings: Settings,
): Promise<void> {
  const { out, weights, metrics: names, cache } = options;
  const started = performance.now();
  const reference = await openReference(options.reference);
  // Numbers that are to be compared with others' are computed as theirs, unless something else is asked for.
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
      onProgress: (what, done, total) => reporter.progress(what, done, total),
    });
  } finally {
    await engine.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const report = await scoresReport(scores, {
    title: `Evaluation of ${sets.map(({ name }) => name).join(", ")}`,
    folder: out,
    settings: {
      ...settings,
      commandLine: ["softrepa", ...process.argv.slice(2)].join(" "),
      version: packageVersion(),
    },
    cost: {
      phases: [{ name: "metrics", seconds }],
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      processor: cpus()[0]?.model.trim() || "unknown",
      threads: options.threads ?? cpus().length,
    },
  });
  const files = [...Object.values(await writeScores(out, scores)), ...Object.values(await writeReport(out, report))];
  tell(scores, report, files, reporter);
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

export async function runCompare(options: CompareCommandOptions, { reporter }: CommandContext): Promise<void> {
  const { runs: paths, out } = options;
  const runs = [];
  for (const path of paths) runs.push(await readRun(path));
  const home = out ?? ".";
  const scores = await joinRuns(runs, home);
  if (scores.variants.length < 2) throw new UsageError("a comparison needs at least two variants; name another run");
  const report = await scoresReport(scores, {
    title: `Comparison of ${scores.variants.map(({ name }) => name).join(", ")}`,
    folder: home,
    settings: { commandLine: ["softrepa", ...process.argv.slice(2)].join(" "), version: packageVersion() },
  });
  const files =
    out === undefined
      ? []
      : [...Object.values(await writeScores(out, scores)), ...Object.values(await writeReport(out, report))];
  tell(scores, report, files, reporter);
}

/** The result on the terminal: tables, means, warnings, what did not run, files. */
function tell(scores: EvaluationScores, report: Report, files: readonly string[], reporter: Reporter): void {
  const comparisons = compareScores(scores);
  const { measurements = [], notRun = [] } = report;
  reporter.event("evaluation", { comparisons, measurements, notRun, files });
  for (const comparison of comparisons) {
    for (const line of comparisonLines(comparison)) reporter.print(line);
    reporter.print(headlineOf(comparison));
    reporter.print("");
  }
  if (measurements.length > 0) {
    const rows = measurements.flatMap(({ metric, rows: values }) =>
      values.map(({ variant, label, images, estimate: { value, interval } }) => [
        metric.name,
        variant,
        label,
        value,
        interval === null ? "" : `${interval.low.toPrecision(4)} to ${interval.high.toPrecision(4)}`,
        images,
      ]),
    );
    reporter.table([["metric", "variant", "category", "mean", "95% interval", "images"], ...rows]);
  }
  for (const { metric, remark } of measurements)
    if (/below|unstable/.test(remark)) reporter.warn(`${metric.name} ${remark}`);
  for (const { name, reason } of notRun) reporter.print(`not run: ${name} (${withFlags(reason)})`);
  for (const file of files) reporter.print(file);
}
