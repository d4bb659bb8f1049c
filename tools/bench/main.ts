#!/usr/bin/env node
/** @file `npm run bench`: training step, sampling step, convolution gradients, and memory by batch size. */

import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { cases } from "./cases.js";

const measurementSchema = z.object({
  title: z.string(),
  seconds: z.number(),
  runs: z.number(),
  executed: z.number(),
  useful: z.number(),
  peakGflops: z.number(),
  peakMemory: z.number().nullable(),
});

const convolutionSchema = z.array(
  z.object({
    engine: z.string(),
    weights: z.enum(["mapped", "repacked"]),
    batch: z.number(),
    channels: z.number(),
    side: z.number(),
    forward: z.number(),
    vjp: z.number(),
  }),
);

/** Runs one case in a child process. */
function measure<T>(name: string, schema: z.ZodType<T>): T {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--case", name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`benchmark ${name} exited with code ${child.status}`);
  return schema.parse(JSON.parse(child.stdout));
}

function megabytes(memory: number | null): string {
  return memory === null ? "unknown" : `${memory.toFixed(0)} MB`;
}

function report(): void {
  const processor = cpus()[0]?.model ?? "unknown processor";
  console.log(`${processor}, ${cpus().length} cores; MM-DiT 768 wide, 12 blocks, 1024 + 154 tokens, float32\n`);
  for (const name of ["train", "sample"]) {
    const { title, seconds, runs, executed, useful, peakGflops, peakMemory } = measure(name, measurementSchema);
    const rate = executed / seconds;
    console.log(title);
    console.log(`  time          ${seconds.toFixed(2)} s (median of ${runs})`);
    console.log(`  products      ${rate.toFixed(0)} GFLOP/s, ${executed.toFixed(0)} GFLOP`);
    console.log(`  MatMul peak   ${peakGflops.toFixed(0)} GFLOP/s`);
    console.log(`  share of peak ${((100 * rate) / peakGflops).toFixed(0)}%`);
    if (useful < executed) {
      const share = (100 * useful) / seconds / peakGflops;
      console.log(`  without recomputation: ${useful.toFixed(0)} GFLOP, ${share.toFixed(0)}% of peak`);
    }
    console.log(`  peak memory   ${megabytes(peakMemory)}\n`);
  }
  reportConvolutions();
  console.log("");
  const [small, large] = ["step-b4", "step-b16"].map((name) => measure(name, measurementSchema));
  for (const { title, seconds, peakMemory } of [small, large]) {
    console.log(`${title}: ${seconds.toFixed(1)} s, peak memory ${megabytes(peakMemory)}`);
  }
  if (small.peakMemory && large.peakMemory) {
    console.log(`peak memory at B = 16 relative to B = 4: ${(large.peakMemory / small.peakMemory).toFixed(3)}`);
  }
}

function reportConvolutions(): void {
  console.log("input gradient of 3x3 convolutions, compared with the convolution");
  for (const { engine, weights, batch, channels, side, forward, vjp } of measure("convolutions", convolutionSchema)) {
    const times = `${vjp.toFixed(1)} ms, convolution ${forward.toFixed(1)} ms: ratio ${(vjp / forward).toFixed(2)}`;
    console.log(
      `  ${`${engine}, ${weights}`.padEnd(23)} ${`${batch} x ${channels} channels, ${side} x ${side}`.padEnd(28)} ${times}`,
    );
  }
}

const [, , flag, name] = process.argv;
if (flag === "--case") {
  const run = cases[name];
  if (run === undefined) throw new Error(`no benchmark ${name}: ${Object.keys(cases).join(", ")}`);
  process.stdout.write(JSON.stringify(await run()));
} else if (flag === "--convolutions") reportConvolutions();
else if (flag === "--peer") await import("./peer/main.js");
else if (flag === "--full") await import("./full.js");
else if (flag === "--start-up") {
  const { startUp } = await import("./start-up.js");
  await startUp(Number(process.argv[3] ?? 0));
} else if (flag === "--soak") {
  const { soak } = await import("./soak.js");
  const number = (position: number, fallback: number) => Number(process.argv[position] ?? fallback);
  if (!(await soak({ steps: number(3, 2000), batch: number(4, 2), resolution: number(5, 64) }))) process.exitCode = 1;
} else report();
