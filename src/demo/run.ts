/** @file The demo: trains soft tokens on the bundled pipeline, then compares base and tuned on what training never showed. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { rows } from "../core/tensor.js";
import { savePng } from "../data/png.js";
import { comparisonLines, headlineOf, similarityLines, writeReport } from "../evaluation/report/index.js";
import { openPipeline } from "../families/open.js";
import { softRepa } from "../objectives/softrepa.js";
import type { Engine } from "../runtime/engine.js";
import { heldOutPrompts } from "../scenes/prompts.js";
import { writeSoftTokens } from "../softtokens/formats/index.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { type TrainStep, train } from "../training/train.js";
import { judge } from "./judge.js";
import { informationChange, loadPairs, similarities } from "./measure.js";
import { sideBySide } from "./pictures.js";
import { compareVerdicts, demoReport, type Phase } from "./report.js";
import { promptRegister, writeScenes } from "./scenes.js";
import type { DemoOptions } from "./settings.js";

export interface DemoHooks {
  readonly signal: AbortSignal;
  readonly progress: (label: string, done: number, total: number, detail?: Record<string, string>) => void;
  readonly print: (line: string) => void;
}

/** Pictures of the first prompts that are drawn while training goes on, so that one sees what changes. */
const samplePrompts = 6;

export async function runDemo(engine: Engine, options: DemoOptions, hooks: DemoHooks): Promise<void> {
  const { model, out, settings } = options;
  const { signal, progress, print } = hooks;
  const phases: Phase[] = [];
  const timed = async <T>(name: string, body: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    const start = performance.now();
    const result = await body();
    phases.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  await rm(join(out, "data"), { recursive: true, force: true });
  const pipeline = await openPipeline(model, engine);
  const items = await timed("draw training scenes", () =>
    writeScenes(join(out, "data", "train"), settings.images, "train", settings.seed + 5),
  );
  const heldOut = await writeScenes(
    join(out, "data", "held-out"),
    settings.heldOutPairs,
    "held-out",
    settings.seed + 6,
  );
  const prompts = heldOutPrompts(settings.prompts, settings.promptSeed, promptRegister);
  const sampling = {
    steps: settings.samplingSteps,
    guidanceScale: settings.guidanceScale,
    batch: settings.samplingBatch,
    seed: settings.seed,
  };

  print(`${items.length} training scenes with captions, such as "${items[0].captions[0]}"`);
  const softTokens = initialSoftTokens(
    pipeline.softTokenLayout,
    { ...settings, count: settings.tokens },
    new Generator(settings.seed),
  );
  const steps: TrainStep[] = [];
  const drawSamples = async (step: number) => {
    const pictures = await judge(pipeline, step === 0 ? null : softTokens, prompts.slice(0, samplePrompts), sampling);
    // Side by side: [3, H, n W].
    const wide = sideBySide(pictures.map(({ image }) => image));
    await savePng(join(out, "samples", `step-${String(step).padStart(6, "0")}.png`), wide, {});
  };
  await drawSamples(0);
  await timed("train", () =>
    train(pipeline, {
      ...{ pools: [{ items, share: 1 }], softTokens, objective: softRepa(settings), signal },
      ...{ batch: settings.batch, steps: settings.steps, learningRate: settings.learningRate, seed: settings.seed },
      ...{ weightDecay: 1e-4, restartPeriod: 10, schedulerEvery: 500, minimumLearningRate: 1e-5 },
      ...{ resolution: pipeline.defaultSize, plan: { checkpoints: false } },
      onEncoded: (done, total) => progress("encoding", done, total),
      onStep: async (step) => {
        steps.push(step);
        const recent = steps.slice(-20);
        const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
        progress("training", step.step, settings.steps, {
          loss: mean(recent.map(({ loss }) => loss)).toFixed(3),
          rank1: mean(recent.map(({ rank1 }) => rank1 ?? 0)).toFixed(2),
        });
        if (step.step % Math.ceil(settings.steps / 4) === 0) await drawSamples(step.step);
      },
    }),
  );
  throwIfAborted(signal);
  const tokenFile = join(out, "tokens.safetensors");
  await writeSoftTokens(tokenFile, softTokens, "softrepa");
  print(`${tokenFile}; pictures on the way in ${join(out, "samples")}`);

  const judged = async (name: string, tokens: typeof softTokens | null) =>
    timed(`sample and judge, ${name}`, () =>
      judge(pipeline, tokens, prompts, sampling, {
        signal,
        onProgress: (done, total) => progress(`${name}, ${prompts.length} held-out prompts`, done, total),
      }),
    );
  const base = await judged("base", null);
  const tuned = await judged("tuned", softTokens);
  const pairs = await loadPairs(heldOut, pipeline);
  const first = Math.min(settings.similarityPairs, pairs.captions.length);
  const shown = { images: rows(pairs.images, 0, first), captions: pairs.captions.slice(0, first) };
  print("similarity of held-out pairs, and mutual information before and after");
  const matrices = await timed("similarity", () => similarities(pipeline, softTokens, shown, signal));
  const informed = await timed("mutual information", () => informationChange(pipeline, softTokens, pairs, signal));

  const comparison = compareVerdicts(base, tuned);
  const report = await demoReport({
    ...options,
    tokenFile,
    comparison,
    base,
    tuned,
    steps,
    similarity: { captions: shown.captions, matrices },
    information: informed,
    phases,
  });
  const files = await writeReport(out, report);
  for (const line of comparisonLines(comparison)) print(line);
  print(headlineOf(comparison));
  if (report.similarity) for (const line of similarityLines(report.similarity)) print(line);
  print(`mutual information of image and caption: ${report.information?.remark ?? ""}`);
  print(`${files.html}`);
}
