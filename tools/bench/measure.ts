/** @file Time, memory and the machine's own limit, as benchmarks measure them. */

import { readFileSync } from "node:fs";
import { Generator } from "#softrepa/core/random.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { gemm, input, slice } from "#softrepa/graph/ops.js";
import type { Engine } from "#softrepa/runtime/engine.js";

/** Shortest and middle of some timings, in seconds. */
export interface Timing {
  readonly best: number;
  readonly median: number;
  readonly runs: number;
}

/** Times `run` after one warm-up run, whose page faults would count. */
export async function time(run: () => Promise<unknown>, runs: number): Promise<Timing> {
  await run();
  const seconds: number[] = [];
  for (let index = 0; index < runs; index++) {
    const start = performance.now();
    await run();
    seconds.push((performance.now() - start) / 1000);
  }
  seconds.sort((a, b) => a - b);
  return { best: seconds[0], median: seconds[Math.floor(seconds.length / 2)], runs };
}

/** Medians in seconds of several things, each timed `runs` times, in turns. */
export async function timeInTurns(all: readonly (() => Promise<unknown>)[], runs: number): Promise<number[]> {
  const seconds: number[][] = all.map(() => []);
  for (let index = 0; index <= runs; index++) {
    for (const [place, run] of all.entries()) {
      const start = performance.now();
      await run();
      // The first run's page faults would count.
      if (index > 0) seconds[place].push((performance.now() - start) / 1000);
    }
  }
  return seconds.map((each) => each.sort((a, b) => a - b)[Math.floor(runs / 2)]);
}

/** A chain of products of one shape, [rows, width] x [width, width]. */
const peakShapes = [
  { rows: 2048, width: 1536 },
  { rows: 4096, width: 768 },
] as const;

/** The most GFLOP/s that plain float32 matrix products reach on this engine: the best of several shapes. */
export async function matMulPeak(engine: Engine): Promise<number> {
  let peak = 0;
  for (const { rows, width } of peakShapes) {
    const graph = new Graph();
    const weight = input(graph, "weight", [width, width]);
    let y = input(graph, "x", [rows, width]);
    const links = 8;
    for (let link = 0; link < links; link++) y = gemm(y, weight, null, { transposeB: true });
    const session = await engine.compile(writeOnnx(graph, { y: slice(y, 0, 0, 1) }, engine.target));
    const random = new Generator(1);
    const feeds = { x: random.normal([rows, width]), weight: random.normal([width, width]) };
    const { best } = await time(() => session.run(feeds), 4);
    peak = Math.max(peak, (links * 2 * rows * width * width) / best / 1e9);
    await session.release();
  }
  return peak;
}

/** Largest resident memory that this process has had so far, in MB; null where the system does not say. */
export function peakMemory(): number | null {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return found ? Number(found[1]) / 1024 : null;
  } catch {
    return null;
  }
}
