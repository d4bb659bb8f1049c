#!/usr/bin/env node
/**
 * @file The experiments behind the demo's defaults: `node build/tools/sweep/main.js PLAN.json RESULTS.jsonl` trains and evaluates every
 * run of the plan that the results do not hold yet. One line per measurement: run, training step, guidance, accuracies, verdicts.
 */

import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { promptRegister, writeScenes } from "#softrepa/demo/scenes.js";
import { openPipeline } from "#softrepa/families/open.js";
import { objectiveNames } from "#softrepa/objectives/index.js";
import { RunFolder } from "#softrepa/runs/folder/run-folder.js";
import { startRun } from "#softrepa/runs/start-run.js";
import { openEngine } from "#softrepa/runtime/open-engine.js";
import { registers } from "#softrepa/scenes/caption.js";
import { heldOutPrompts } from "#softrepa/scenes/prompts.js";
import { categories } from "#softrepa/scenes/scene.js";
import { readSoftTokens } from "#softrepa/softtokens/formats/index.js";
import type { SoftTokens } from "#softrepa/softtokens/softtokens.js";
import type { TrainStep } from "#softrepa/training/train.js";
import { accuracies, verifyPrompts } from "../scenes/verify-prompts.js";

const trainingSchema = z.strictObject({
  objective: z.enum(objectiveNames).default("softrepa"),
  layers: z.int().positive().default(5),
  tokens: z.int().positive().default(4),
  buckets: z.int().nonnegative().default(100),
  temperature: z.number().positive().default(0.07),
  scale: z.number().positive().default(4),
  dweight: z.number().nonnegative().default(0),
  batch: z.int().min(2).default(8),
  lr: z.number().positive().default(1e-3),
  /** Of the scenes to train on. */
  among: z
    .array(z.enum(categories))
    .min(1)
    .default([...categories]),
  seed: z.int().nonnegative().default(0),
  /** Training steps after which to evaluate; the last ends the run. */
  judgeAt: z.array(z.int().positive()).min(1),
});

const planSchema = z.strictObject({
  pipeline: z.string(),
  images: z.int().positive().default(1024),
  prompts: z.int().positive().default(300),
  promptSeed: z.int().nonnegative().default(1000),
  samplingSteps: z.int().positive().default(16),
  samplingBatch: z.int().positive().default(20),
  threads: z.int().positive().default(2),
  runs: z.array(
    z.strictObject({
      name: z.string(),
      guidance: z.array(z.number().nonnegative()).min(1),
      register: z.enum(registers).default(promptRegister),
      /** Null: the plain pipeline. */
      train: trainingSchema.nullable().default(null),
    }),
  ),
});

const [planFile, resultFile] = process.argv.slice(2);
if (planFile === undefined || resultFile === undefined) {
  console.error("usage: node build/tools/sweep/main.js PLAN.json RESULTS.jsonl");
  process.exit(2);
}
const plan = planSchema.parse(JSON.parse(await readFile(planFile, "utf8")));
const known = await readFile(resultFile, "utf8").catch(() => "");
const finished = new Set(
  known.split("\n").flatMap((line) => (line ? [(JSON.parse(line) as { key: string }).key] : [])),
);
const { engine } = await openEngine({ threads: plan.threads });
console.log(`${engine.library}, ${engine.precision}`);
const pipeline = await openPipeline(plan.pipeline, engine);
const root = fileURLToPath(new URL("../../../", import.meta.url));

type PlannedRun = (typeof plan.runs)[number];

async function measure(run: PlannedRun, softTokens: SoftTokens | null, step: number, extra: object): Promise<void> {
  const prompts = heldOutPrompts(plan.prompts, plan.promptSeed, run.register);
  for (const guidanceScale of run.guidance) {
    const key = `${run.name}@${step}/${guidanceScale}`;
    if (finished.has(key)) continue;
    const settings = { steps: plan.samplingSteps, guidanceScale, batch: plan.samplingBatch, seed: 0 };
    const verified = await verifyPrompts(pipeline, softTokens, prompts, settings);
    const accuracy = accuracies(verified);
    const verdicts = verified.map(({ correct }) => (correct ? 1 : 0)).join("");
    await appendFile(
      resultFile ?? "",
      `${JSON.stringify({ key, ...run, step, guidanceScale, accuracy, ...extra, verdicts })}\n`,
    );
    const shown = Object.entries(accuracy).map(([category, share]) => `${category} ${share.toFixed(3)}`);
    console.log(`${key}: ${shown.join("  ")}  ${JSON.stringify(extra)}`);
  }
}

/** Trains, keeping a checkpoint at every step at which to evaluate. */
async function trainTokens(out: string, { judgeAt, lr, among, ...options }: z.infer<typeof trainingSchema>) {
  const data = join(root, "out", "sweep", "data");
  await writeScenes(data, plan.images, "train", 5, among);
  const spec = {
    ...{ ...options, data: [data], out, learningRate: lr, steps: Math.max(...judgeAt) },
    ...{ saveEvery: judgeAt.reduce(greatestCommonDivisor), keepLast: 0 },
    ...({ checkpoints: "never", repack: "never" } as const),
  };
  const steps: TrainStep[] = [];
  for await (const event of await startRun({ pipeline, spec, force: true })) {
    if (event.type === "step") steps.push(event);
  }
  return steps;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

for (const run of plan.runs) {
  if (run.train === null) {
    await measure(run, null, 0, {});
    continue;
  }
  const last = Math.max(...run.train.judgeAt);
  if (run.guidance.every((scale) => finished.has(`${run.name}@${last}/${scale}`))) continue;
  const folder = new RunFolder(join(root, "out", "sweep", "run"));
  const steps = await trainTokens(folder.path, run.train);
  let from = 0;
  for (const step of run.train.judgeAt.toSorted((a, b) => a - b)) {
    const since = steps.slice(from, step);
    const mean = (of: (step: TrainStep) => number) => since.reduce((sum, each) => sum + of(each), 0) / since.length;
    const softTokens = await readSoftTokens(join(folder.checkpointAt(step), "tokens.safetensors"));
    await measure(run, softTokens, step, { loss: mean(({ loss }) => loss), rank1: mean(({ rank1 }) => rank1 ?? 0) });
    from = step;
  }
}
await engine.close();
