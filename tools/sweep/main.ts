#!/usr/bin/env node
/**
 * @file The experiments behind the demo's defaults: `node dist/demo/sweep.js PLAN.json RESULTS.jsonl` trains and judges every
 * run of the plan that the results do not hold yet. One line a measurement: run, training step, guidance, accuracies, verdicts.
 */

import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { Generator } from "#softrepa/core/random.js";
import { accuracies, judge } from "#softrepa/demo/judge.js";
import { promptRegister, writeScenes } from "#softrepa/demo/scenes.js";
import { openPipeline } from "#softrepa/families/open.js";
import { objectiveNames, objectives } from "#softrepa/objectives/index.js";
import { openEngine } from "#softrepa/runtime/open-engine.js";
import { registers } from "#softrepa/scenes/caption.js";
import { heldOutPrompts } from "#softrepa/scenes/prompts.js";
import { categories } from "#softrepa/scenes/scene.js";
import { initialSoftTokens } from "#softrepa/softtokens/initial.js";
import type { SoftTokens } from "#softrepa/softtokens/softtokens.js";
import { train } from "#softrepa/training/train.js";

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
  /** Training steps after which to judge; the last ends the run. */
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
  console.error("usage: node dist/demo/sweep.js PLAN.json RESULTS.jsonl");
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

type Run = (typeof plan.runs)[number];

async function measure(run: Run, softTokens: SoftTokens | null, step: number, extra: object): Promise<void> {
  const prompts = heldOutPrompts(plan.prompts, plan.promptSeed, run.register);
  for (const guidanceScale of run.guidance) {
    const key = `${run.name}@${step}/${guidanceScale}`;
    if (finished.has(key)) continue;
    const settings = { steps: plan.samplingSteps, guidanceScale, batch: plan.samplingBatch, seed: 0 };
    const pictures = await judge(pipeline, softTokens, prompts, settings);
    const accuracy = accuracies(pictures);
    const verdicts = pictures.map(({ correct }) => (correct ? 1 : 0)).join("");
    await appendFile(
      resultFile,
      `${JSON.stringify({ key, ...run, step, guidanceScale, accuracy, ...extra, verdicts })}\n`,
    );
    const shown = Object.entries(accuracy).map(([category, share]) => `${category} ${share.toFixed(3)}`);
    console.log(`${key}: ${shown.join("  ")}  ${JSON.stringify(extra)}`);
  }
}

for (const run of plan.runs) {
  if (run.train === null) {
    await measure(run, null, 0, {});
    continue;
  }
  const { judgeAt, layers, tokens: count, buckets, seed, batch, lr, objective, among, ...loss } = run.train;
  const last = Math.max(...judgeAt);
  if (run.guidance.every((scale) => finished.has(`${run.name}@${last}/${scale}`))) continue;
  const items = await writeScenes(join(root, "out", "sweep", "data"), plan.images, "train", 5, among);
  const sizes = { layers, count, buckets, width: "projected" } as const;
  const softTokens = initialSoftTokens(pipeline.softTokenLayout, sizes, new Generator(seed));
  const settings = {
    ...{ batch, steps: last, learningRate: lr, weightDecay: 1e-4, seed, resolution: pipeline.defaultSize },
    ...{ restartPeriod: 10, schedulerEvery: 500, minimumLearningRate: 1e-5, plan: { checkpoints: false } },
  };
  let [lossSum, rankSum, counted, since] = [0, 0, 0, performance.now()];
  await train(pipeline, {
    ...{ ...settings, pools: [{ items, share: 1 }], softTokens, objective: objectives[objective].create(loss) },
    onStep: async ({ step, loss: value, rank1 }) => {
      lossSum += value;
      rankSum += rank1 ?? 0;
      counted++;
      if (!judgeAt.includes(step)) return;
      const seconds = (performance.now() - since) / 1000 / counted;
      await measure(run, softTokens, step, {
        loss: lossSum / counted,
        rank1: rankSum / counted,
        secondsAStep: seconds,
      });
      [lossSum, rankSum, counted, since] = [0, 0, 0, performance.now()];
    },
  });
}
await engine.close();
