/** @file One stage of pre-training: steps, log lines, saved states; stopped at any time, it goes on where it was. */

import { appendFile, mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "#softrepa/core/files.js";
import { Generator } from "#softrepa/core/random.js";
import type { NamedTensors } from "#softrepa/runtime/engine.js";
import type { Network } from "./network.js";

export interface Stage {
  readonly name: string;
  readonly network: Network;
  readonly steps: number;
  /** Images a step, for the log. */
  readonly batch: number;
  /** The batch of a step is drawn from that step's own generator, so that going on needs no state of the data. */
  readonly nextBatch: (random: Generator, step: number) => NamedTensors | Promise<NamedTensors>;
  readonly learningRate: (step: number) => number;
}

export interface StageHooks {
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

const logEvery = 50;
const saveEverySeconds = 240;

/** Runs a stage to its end, from the state in `folder` if there is one; returns false if it was interrupted. */
export async function runStage(stage: Stage, folder: string, { signal, print }: StageHooks): Promise<boolean> {
  const { name, network, steps, batch } = stage;
  const stateFile = stateOf(stage, folder);
  const logFile = join(folder, `${name}.jsonl`);
  await mkdir(folder, { recursive: true });
  await loadState(stage, folder);
  await cutLog(logFile, network.step);
  if (network.step >= steps) return true;
  print(`${name}: step ${network.step} of ${steps}`);
  let sums: Record<string, number> = {};
  let counted = 0;
  let since = performance.now();
  let saved = performance.now();
  while (network.step < steps && !signal.aborted) {
    const step = network.step;
    const rate = stage.learningRate(step);
    const scalars = await network.train(await stage.nextBatch(stepGenerator(name, step), step), rate);
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
    if (performance.now() - saved > 1000 * saveEverySeconds) {
      await network.save(stateFile);
      saved = performance.now();
    }
  }
  await network.save(stateFile);
  return !signal.aborted;
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

function stepGenerator(name: string, step: number): Generator {
  let hash = 2166136261;
  for (const character of `${name} ${step}`) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return new Generator(hash >>> 0);
}

/** Drops the lines of steps that the saved state has not seen. */
async function cutLog(file: string, step: number): Promise<void> {
  if (!(await exists(file))) return;
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  const kept = lines.filter((line) => (JSON.parse(line) as { step: number }).step <= step);
  if (kept.length < lines.length) await writeFileAtomic(file, kept.map((line) => `${line}\n`).join(""));
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
