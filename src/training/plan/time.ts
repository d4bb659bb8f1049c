/** @file Estimates the time of a training run from the FLOPs of its graphs and the machine's speed in matrix products. */

import { Generator } from "../../core/random.js";
import { countFlops } from "../../graph/flops.js";
import { Graph } from "../../graph/graph.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import { gemm, input, slice } from "../../graph/ops.js";
import { runsPerStep } from "../../objectives/candidates.js";
import type { BuiltGraph, DiffusionPipeline } from "../../pipelines/pipeline.js";
import type { Engine } from "../../runtime/engine.js";
import { predictionGraph, type RunSizes, stepGraph } from "./memory.js";

export interface TimePlan {
  readonly secondsPerStep: number;
  /** For all steps, without validation and samples. */
  readonly seconds: number;
  /** Floating-point operations per step. */
  readonly flops: number;
  /** Floating-point operations per second in matrix products; null if the estimate comes from timed steps. */
  readonly rate: number | null;
}

/** The share of the speed of plain matrix products that a training graph reaches. */
const efficiency = { plain: 0.6, repacked: 0.75 } as const;
/** Overhead per node, which dominates small graphs. */
const secondsPerNode = 12e-6;

export function planTime(pipeline: DiffusionPipeline, sizes: RunSizes, steps: number, rate: number): TimePlan {
  const { objective, batch, plan } = sizes;
  const runs = runsPerStep(objective.candidates, batch, plan.pairsPerRun);
  const cost = (built: BuiltGraph, share: number) => {
    const { executed } = countFlops(built.graph, built.outputs);
    return {
      flops: runs * executed,
      seconds: runs * (executed / (share * rate) + secondsPerNode * built.graph.nodes.length),
    };
  };
  const step = cost(stepGraph(pipeline, sizes), plan.repackWeights ? efficiency.repacked : efficiency.plain);
  const targets = objective.targets && cost(predictionGraph(pipeline, sizes), efficiency.plain);
  const secondsPerStep = step.seconds + (targets?.seconds ?? 0);
  return {
    secondsPerStep,
    seconds: steps * secondsPerStep,
    flops: step.flops + (targets?.flops ?? 0),
    rate,
  };
}

/** A chain of `layers` products [rows, width] x [width, width]. */
const benchmark = { rows: 1024, width: 768, layers: 4, runs: 4 } as const;

/** Floating-point operations per second of matrix products in this engine and precision: the best of a few short runs. */
export async function productRate(engine: Engine): Promise<number> {
  const { rows, width, layers, runs } = benchmark;
  const graph = new Graph();
  const weight = input(graph, "weight", [width, width]);
  let y = input(graph, "x", [rows, width]);
  for (let layer = 0; layer < layers; layer++) y = gemm(y, weight, null, { transposeB: true });
  const session = await engine.compile(writeOnnx(graph, { y: slice(y, 0, 0, 1) }, engine.target));
  const random = new Generator(1);
  const feeds = { x: random.normal([rows, width]), weight: random.normal([width, width]) };
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await session.run(feeds);
    // The first run also allocates memory.
    if (run > 0) best = Math.min(best, (performance.now() - start) / 1000);
  }
  await session.release();
  return (layers * 2 * rows * width * width) / best;
}
