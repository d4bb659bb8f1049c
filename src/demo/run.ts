/** @file The demo: trains soft tokens on scenes, then compares base and tuned pipeline on what training never showed. */

import { rm } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { throwIfAborted } from "../core/errors.js";
import { rows } from "../core/tensor.js";
import { sceneVerifier } from "../evaluation/metrics/scene-accuracy.js";
import { comparisonLines, headlineOf, type Report, similarityLines, writeReport } from "../evaluation/report/index.js";
import {
  generateVariants,
  informationOfPairs,
  loadPairs,
  readImageSet,
  runMetrics,
  scoresReport,
  similarityOfPairs,
  writeScores,
} from "../evaluation/run/index.js";
import { openPipeline } from "../families/open.js";
import { startRun } from "../runs/start-run.js";
import type { Engine } from "../runtime/engine.js";
import { heldOutPrompts } from "../scenes/prompts.js";
import { readSoftTokens } from "../softtokens/formats/index.js";
import type { TrainStep } from "../training/train.js";
import { promptRegister, writeScenes } from "./scenes.js";
import { type DemoOptions, describeSettings, trainingSpec } from "./settings.js";

export interface DemoHooks {
  readonly signal: AbortSignal;
  readonly progress: (label: string, done: number, total: number, detail?: Record<string, string>) => void;
  readonly print: (line: string) => void;
}

export async function runDemo(engine: Engine, options: DemoOptions, hooks: DemoHooks): Promise<void> {
  const { model, out, settings } = options;
  const { signal, progress, print } = hooks;
  const phases: { name: string; seconds: number }[] = [];
  const timed = async <T>(name: string, body: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    const start = performance.now();
    const result = await body();
    phases.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  const data = join(out, "data");
  await rm(data, { recursive: true, force: true });
  const pipeline = await openPipeline(model, engine);
  const prompts = heldOutPrompts(settings.prompts, settings.promptSeed, promptRegister);

  const train = join(data, "train");
  const items = await timed("scenes", () => writeScenes(train, settings.images, "train", settings.seed + 5));
  const heldOut = await writeScenes(join(data, "held-out"), settings.heldOutPairs, "held-out", settings.seed + 6);
  print(`${items.length} training scenes with captions, such as "${items[0]?.captions[0]}"`);

  const steps: TrainStep[] = [];
  const tokenFile = await timed("train", async () => {
    const spec = trainingSpec(settings, { data: train, out: join(out, "run"), prompts });
    let file = "";
    for await (const event of await startRun({ pipeline, spec, force: true }, { signal })) {
      if (event.type === "warning") print(event.message);
      if (event.type === "progress") progress(event.label, event.done, event.total);
      if (event.type === "step") {
        steps.push(event);
        progress("training", event.step, settings.steps, recent(steps));
      }
      if (event.type === "finished") file = event.file;
    }
    return file;
  });
  const softTokens = await readSoftTokens(tokenFile);
  print(`${tokenFile}; images on the way in ${join(out, "run", "samples")}`);

  const folders = await timed("generate", () =>
    generateVariants(pipeline, {
      folder: join(out, "images"),
      prompts: prompts.map(({ prompt, category, expectation }, index) => {
        return { prompt, category, seed: settings.seed + index, metadata: { expectation } };
      }),
      tokens: { file: tokenFile, softTokens, strength: 1 },
      model: pipeline.origin,
      negative: "",
      steps: settings.samplingSteps,
      guidance: settings.guidanceScale,
      batch: settings.samplingBatch,
      signal,
      onProgress: (variant, done, total) => progress(`${variant}, ${prompts.length} held-out prompts`, done, total),
    }),
  );
  const scores = await timed("verify", async () => {
    const sets = [];
    for (const [index, name] of ["base", "tuned"].entries())
      sets.push(await readImageSet(folders[index] ?? "", name, null));
    return runMetrics(sets, { folder: out, metrics: { opened: [sceneVerifier], notRun: [] }, signal });
  });
  print("similarity of held-out pairs, and mutual information before and after");
  const pairs = await loadPairs(heldOut, pipeline);
  const count = Math.min(settings.similarityPairs, heldOut.length);
  const shown = { images: rows(pairs.images, 0, count), captions: pairs.captions.slice(0, count) };
  const similarity = await timed("similarity", () =>
    similarityOfPairs(pipeline, softTokens, shown, {
      timesteps: [300, 500, 700, 850],
      noises: 2,
      seed: 0,
      pairsPerRun: count,
      signal,
    }),
  );
  const information = await timed("mutual information", () =>
    informationOfPairs(pipeline, softTokens, pairs, { noises: 1, seed: 0, pairsPerRun: 12, signal }),
  );

  const step = steps.map((each) => each.step);
  const report: Report = {
    ...(await scoresReport(scores, {
      title: "Soft text tokens on the demo pipeline",
      folder: out,
      settings: {
        ...describeSettings(settings, tokenFile),
        model,
        commandLine: options.commandLine,
        version: options.version,
      },
      cost: {
        phases,
        peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
        processor: cpus()[0]?.model.trim() || "unknown",
        threads: cpus().length,
      },
    })),
    curves: [
      { name: "loss", kind: "number", steps: step, values: steps.map(({ loss }) => loss) },
      { name: "captions ranked first", kind: "share", steps: step, values: steps.map(({ rank1 }) => rank1 ?? 0) },
    ],
    similarity,
    information,
    notes: [
      "The pipeline was trained on procedurally rendered scenes; most images that it saw under labels, the style of the prompts, were cut off at an edge: docs/experiments/pretraining.md tells how and why, and sweep.md beside it what else was tried.",
      "No prompt's combination (colour and shape, or pair of shapes) occurs in any training image or caption, of the pipeline or of the tokens.",
    ],
  };
  await writeScores(out, scores);
  const files = await writeReport(out, report);
  for (const comparison of report.comparisons ?? []) {
    for (const line of comparisonLines(comparison)) print(line);
    print(headlineOf(comparison));
  }
  for (const line of similarityLines(similarity)) print(line);
  print(`mutual information of image and caption: ${information.remark ?? ""}`);
  print(files.html);
}

/** Means over the last steps. */
function recent(steps: readonly TrainStep[]): Record<string, string> {
  const last = steps.slice(-20);
  const mean = (of: (step: TrainStep) => number) => last.reduce((sum, step) => sum + of(step), 0) / last.length;
  return { loss: mean(({ loss }) => loss).toFixed(3), rank1: mean(({ rank1 }) => rank1 ?? 0).toFixed(2) };
}
