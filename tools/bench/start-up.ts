/**
 * @file `npm run bench -- --start-up`: measures the time from a command to its first step or image. First the phases of compiling
 * and running a graph, then complete commands on the demo's pipeline, each in a separate process.
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { Generator } from "#softrepa/core/random.js";
import { floatTensor, type Shape } from "#softrepa/core/tensor.js";
import { writeScenes } from "#softrepa/demo/scenes.js";
import { openPipeline } from "#softrepa/families/open.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { executionPlan } from "#softrepa/objectives/execution-plan.js";
import { pairErrorGraph } from "#softrepa/objectives/pair-errors.js";
import type { Denoiser } from "#softrepa/pipelines/pipeline.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { cachedWeights } from "#softrepa/testing/synthetic/cached-weights.js";
import { denoiserConfigSchema, syntheticDenoiser } from "#softrepa/testing/synthetic/denoiser.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";
import { cacheFolder, randomConditioning } from "./subject.js";

/** One phase: wall time, and CPU time, which other load on the machine does not affect. */
interface Phase {
  readonly name: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

interface Phases {
  readonly title: string;
  /** In order of execution. */
  readonly phases: readonly Phase[];
}

const demoPipeline = join("demo", "pipeline");
const fullConfig = join("test", "fixtures", "parity", "full", "sd15.json");

/** Measures the phases up to the second run of a training graph; `threads` as on the command line. */
async function measurePhases(
  title: string,
  threads: number,
  open: (engine: OnnxRuntimeEngine) => Promise<{ denoiser: Denoiser; latentShape: Shape; softTokens: Shape }>,
): Promise<Phases> {
  const engine = new OnnxRuntimeEngine("cpu", threads);
  const phases: Phase[] = [];
  const timed = async <T>(name: string, body: () => T | Promise<T>): Promise<T> => {
    const [start, used] = [performance.now(), process.cpuUsage()];
    const result = await body();
    const { user, system } = process.cpuUsage(used);
    phases.push({ name, seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 });
    return result;
  };
  try {
    const { denoiser, latentShape, softTokens } = await timed("open, check weights", () => open(engine));
    const form = { shape: softTokens, stages: denoiser.softTokenLayout.stages };
    const options = {
      plan: executionPlan(1),
      latentShape,
      images: "shared",
      softTokens: form,
      gradients: true,
    } as const;
    const { graph, outputs } = await timed("build the graph", () => pairErrorGraph(denoiser, options));
    const model = await timed("write ONNX", () => writeOnnx(graph, outputs, engine.target));
    const session = await timed("create the session", () => engine.compile(model));
    const random = new Generator(0);
    const feeds = {
      sample: random.normal([1, ...latentShape]),
      target: random.normal([1, ...latentShape]),
      timestep: floatTensor([1], Float32Array.of(500)),
      ...randomConditioning(denoiser, 1, random),
      soft_tokens: random.normal([1, ...softTokens]),
    };
    const inputNames = new Set(session.inputs.map(({ name }) => name));
    const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => inputNames.has(name)));
    await timed("first run, reads weights", () => session.run(used));
    await timed("second run", () => session.run(used));
    await session.release();
    return { title, phases };
  } finally {
    await engine.close();
  }
}

const measureDemo = (threads: number) =>
  measurePhases("demo/pipeline, 1 pair at 64 px", threads, async (engine) => {
    const pipeline = await openPipeline(demoPipeline, engine);
    const { latentChannels, vaeScaleFactor, softTokenLayout } = pipeline;
    const side = 64 / vaeScaleFactor;
    const softTokens = [5, 4, softTokenLayout.projectedWidth];
    return { denoiser: pipeline, latentShape: [latentChannels, side, side], softTokens };
  });

const measureUnet = (threads: number) =>
  measurePhases("SD1.5's UNet at full width, synthetic fp16 weights, 1 pair at 256 px", threads, async (engine) => {
    const { config } = z.object({ config: denoiserConfigSchema }).parse(JSON.parse(readFileSync(fullConfig, "utf8")));
    const synthetic = syntheticDenoiser(config, { textLength: 77, stages: ["down"] });
    const file = await cachedWeights(join(cacheFolder, "sd15"), synthetic.weights, synthetic.buffers);
    const denoiser = synthetic.open(engine, await openSafetensors(file));
    const softTokens = [1, 4, denoiser.softTokenLayout.projectedWidth];
    return { denoiser, latentShape: [synthetic.latentChannels, 32, 32], softTokens };
  });

const eventSchema = z.looseObject({ event: z.string() });

/** Seconds from the start of a command to the first event named `event`, after which the command is interrupted. */
async function secondsTo(event: string, args: readonly string[]): Promise<number> {
  const main = fileURLToPath(import.meta.resolve("#softrepa/cli/main.js"));
  const start = performance.now();
  const child = spawn(process.execPath, [main, ...args, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let seconds: number | undefined;
  for await (const line of createInterface(child.stdout)) {
    if (seconds !== undefined || eventSchema.parse(JSON.parse(line)).event !== event) continue;
    seconds = (performance.now() - start) / 1000;
    child.kill("SIGINT");
  }
  await ended;
  if (seconds === undefined) throw new Error(`softrepa ${args[0]} ended without an event ${event}`);
  return seconds;
}

export async function startUp(threads: number): Promise<void> {
  for (const measure of [measureDemo, measureUnet]) {
    const { title, phases } = await measure(threads);
    const toFirst = phases.slice(0, -1).reduce((sum, { cpuSeconds: processor }) => sum + processor, 0);
    console.log(title);
    for (const { name, seconds, cpuSeconds: processor } of phases) {
      const share = name === "second run" ? "" : `, ${((100 * processor) / toFirst).toFixed(0)}%`;
      console.log(`  ${name.padEnd(26)} ${seconds.toFixed(2).padStart(7)} s, CPU ${processor.toFixed(2)} s${share}`);
    }
  }
  const folder = await mkdtemp(join(tmpdir(), "softrepa-start-"));
  try {
    await writeScenes(join(folder, "data"), 64, "train", 5);
    const common = ["--model", demoPipeline, "--engine", "onnxruntime", "--threads", String(threads)];
    const train = [
      "train",
      ...common,
      "--data",
      join(folder, "data"),
      "--out",
      join(folder, "run"),
      "--log-every",
      "1",
    ];
    const generate = [
      "generate",
      ...common,
      "--prompt",
      "a red circle",
      "--steps",
      "16",
      "--out",
      join(folder, "x.png"),
    ];
    console.log("complete commands on demo/pipeline");
    console.log(
      `  train, to the first step   ${(await secondsTo("step", train)).toFixed(1).padStart(9)} s (4 x 4 pairs)`,
    );
    console.log(
      `  generate, to the image     ${(await secondsTo("image", generate)).toFixed(1).padStart(9)} s (16 steps)`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
