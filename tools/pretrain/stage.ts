/** @file One stage of pre-training: steps, log lines, saved states; stopped at any time, it goes on where it was. */

import { appendFile, mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "#softrepa/core/files.js";
import { Generator } from "#softrepa/core/random.js";
import type { NamedTensors } from "#softrepa/runtime/engine.js";
import type { Network } from "./network.js";
import { seedOf } from "./seed.js";

export interface Stage {
  readonly name: string;
  readonly network: Network;
  readonly steps: number;
  /** Images a step, for the log. */
  readonly batch: number;
  /** The batch of a step is drawn from that step's own generator, so that going on needs no state of the data. */
  readonly nextBatch: (random: Generator, step: number) => NamedTensors | Promise<NamedTensors>;
  readonly learningRate: (step: number) => number;
  /** What is measured of the network in between; it must not change it. Its results stand in a log of their own. */
  readonly evaluation?: {
    readonly everySteps: number;
    readonly measure: () => Promise<Readonly<Record<string, unknown>>>;
  };
}

export interface StageHooks {
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** Time between two saved states. */
  readonly saveEverySeconds?: number;
}

const logEvery = 50;

/** Runs a stage to its end, from the state in `folder` if there is one; returns false if it was interrupted. */
export async function runStage(
  stage: Stage,
  folder: string,
  { signal, print, saveEverySeconds = 240 }: StageHooks,
): Promise<boolean> {
  const { name, network, steps, batch } = stage;
  const stateFile = stateOf(stage, folder);
  const logFile = join(folder, `${name}.jsonl`);
  await mkdir(folder, { recursive: true });
  await loadState(stage, folder);
  await cutLog(logFile, network.step);
  await cutLog(evaluationLogOf(stage, folder), network.step);
  if (network.step < steps) print(`${name}: step ${network.step} of ${steps}`);
  await evaluate(stage, folder, print);
  let sums: Record<string, number> = {};
  let counted = 0;
  let since = performance.now();
  let saved = performance.now();
  while (network.step < steps && !signal.aborted) {
    const step = network.step;
    const rate = stage.learningRate(step);
    const scalars = await network.train(await stage.nextBatch(new Generator(seedOf(`${name} ${step}`)), step), rate);
    for (const [key, value] of Object.entries(scalars)) sums[key] = (sums[key] ?? 0) + value;
    counted++;
    if (network.step % logEvery === 0 || network.step === steps) {
      const means = Object.fromEntries(Object.entries(sums).map(([key, sum]) => [key, round(sum / counted)]));
      const seconds = (performance.now() - since) / 1000;
      const line = { step: network.step, images: network.step * batch, ...means, rate: round(rate) };
      const speed = Math.round((counted * batch) / seconds);
      await appendFile(logFile, `${JSON.stringify({ ...line, imagesPerSecond: speed })}\n`);
      const shown = Object.entries(means).map(([key, value]) => `${key} ${value}`);
      print(`${name} ${network.step}/${steps} ${shown.join(" ")} ${speed} images/s`);
      [sums, counted, since] = [{}, 0, performance.now()];
    }
    const isEvaluated = isTimeToEvaluate(stage);
    if (isEvaluated || performance.now() - saved > 1000 * saveEverySeconds) {
      await network.save(stateFile);
      saved = performance.now();
    }
    if (isEvaluated) {
      const start = performance.now();
      await evaluate(stage, folder, print);
      since += performance.now() - start;
    }
  }
  await network.save(stateFile);
  return network.step >= steps;
}

/** Brings the network to the state in `folder`, if there is one. */
export async function loadState(stage: Stage, folder: string): Promise<void> {
  const file = stateOf(stage, folder);
  if (await exists(file)) await stage.network.load(file);
}

function stateOf({ name }: Stage, folder: string): string {
  return join(folder, `${name}.safetensors`);
}

/** Linear warm-up, a plateau, and a linear fall to zero at the end: the plateau can be made longer later. */
export function trapezoid(peak: number, warmUp: number, cooldown: number, steps: number): (step: number) => number {
  return (step) => peak * Math.min(1, (step + 1) / warmUp, (steps - step) / cooldown);
}

/** Measures and logs if it is time to and has not been done, as where a run was stopped in the midst of it. */
async function evaluate(stage: Stage, folder: string, print: (line: string) => void): Promise<void> {
  const { evaluation, network, batch, name } = stage;
  if (!evaluation || !isTimeToEvaluate(stage)) return;
  const { step } = network;
  const file = evaluationLogOf(stage, folder);
  if (await isLogged(file, step)) return;
  const line = JSON.stringify({ step, images: step * batch, ...(await evaluation.measure()) });
  await appendFile(file, `${line}\n`);
  print(`${name} ${line}`);
}

function isTimeToEvaluate({ evaluation, network: { step }, steps }: Stage): boolean {
  return evaluation !== undefined && step > 0 && (step % evaluation.everySteps === 0 || step === steps);
}

function evaluationLogOf({ name }: Stage, folder: string): string {
  return join(folder, `${name}-evaluation.jsonl`);
}

/** Drops the lines of steps that the saved state has not seen, and a last line that a kill has cut short. */
async function cutLog(file: string, step: number): Promise<void> {
  if (!(await exists(file))) return;
  const text = await readFile(file, "utf8");
  const kept = linesOf(text).filter((line) => stepOf(line) <= step);
  const all = kept.map((line) => `${line}\n`).join("");
  if (all !== text) await writeFileAtomic(file, all);
}

async function isLogged(file: string, step: number): Promise<boolean> {
  return (await exists(file)) && linesOf(await readFile(file, "utf8")).some((line) => stepOf(line) === step);
}

function linesOf(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

const logLine = z.looseObject({ step: z.int().nonnegative() });

function stepOf(line: string): number {
  return logLine.parse(JSON.parse(line)).step;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
