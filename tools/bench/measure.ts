/** @file Measures time, memory and the machine's peak rate. */

import { readFileSync } from "node:fs";
import { Generator } from "#softrepa/core/random.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { gemm, input, slice } from "#softrepa/graph/ops.js";
import type { Engine } from "#softrepa/runtime/engine.js";

/** Shortest and median time of several runs, in seconds. */
export interface Timing {
  readonly best: number;
  readonly median: number;
  readonly runs: number;
}

/** Times `run` after one warm-up run, to exclude page faults. */
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

/** Times several functions alternately, `runs` times each, and returns their medians in seconds. */
export async function timeInterleaved(functions: readonly (() => Promise<unknown>)[], runs: number): Promise<number[]> {
  const seconds: number[][] = functions.map(() => []);
  for (let round = 0; round <= runs; round++) {
    for (const [index, run] of functions.entries()) {
      const start = performance.now();
      await run();
      // The first run is a warm-up, to exclude page faults.
      if (round > 0) seconds[index].push((performance.now() - start) / 1000);
    }
  }
  return seconds.map((each) => each.sort((a, b) => a - b)[Math.floor(runs / 2)]);
}

/** Shapes of the products [rows, width] x [width, width]. */
const peakShapes = [
  { rows: 2048, width: 1536 },
  { rows: 4096, width: 768 },
] as const;

/** Peak rate of float32 matrix products on this engine in GFLOP/s: the maximum over several shapes. */
export async function measurePeakGflops(engine: Engine): Promise<number> {
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

/** Peak resident memory of this process so far, in MB; null if the system does not report it. */
export function peakMemory(): number | null {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return found ? Number(found[1]) / 1024 : null;
  } catch {
    return null;
  }
}
