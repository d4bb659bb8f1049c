/** @file How long a training run will take, foretold from the work of its graph and the speed of this machine in plain products. */

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
  readonly secondsAStep: number;
  /** Of all steps; validation and samples come on top. */
  readonly seconds: number;
  /** Floating point operations a step. */
  readonly flops: number;
  /** Operations a second in plain products; null where real steps were timed. */
  readonly rate: number | null;
}

/** The share of plain products' speed that a training graph reaches, elementwise work included, and seconds for each node of small graphs. */
const efficiency = { plain: 0.6, repacked: 0.75 } as const;
const secondsANode = 12e-6;

export function planTime(pipeline: DiffusionPipeline, sizes: RunSizes, steps: number, rate: number): TimePlan {
  const { objective, batch, plan } = sizes;
  const runs = runsPerStep(objective.candidates, batch, plan.pairsPerRun);
  const cost = (built: BuiltGraph, share: number) => {
    const { executed } = countFlops(built.graph, built.outputs);
    return {
      flops: runs * executed,
      seconds: runs * (executed / (share * rate) + secondsANode * built.graph.nodes.length),
    };
  };
  const step = cost(stepGraph(pipeline, sizes), plan.repackWeights ? efficiency.repacked : efficiency.plain);
  const targets = objective.targets && cost(predictionGraph(pipeline, sizes), efficiency.plain);
  const secondsAStep = step.seconds + (targets?.seconds ?? 0);
  return { secondsAStep, seconds: steps * secondsAStep, flops: step.flops + (targets?.flops ?? 0), rate };
}

/** [rows, width] x [width, width], a few times in one run. */
const probe = { rows: 1024, width: 768, links: 4, runs: 4 } as const;

/** Operations a second of plain float32 products in this engine and precision: the best of some short runs. */
export async function productRate(engine: Engine): Promise<number> {
  const { rows, width, links, runs } = probe;
  const graph = new Graph();
  const weight = input(graph, "weight", [width, width]);
  let y = input(graph, "x", [rows, width]);
  for (let link = 0; link < links; link++) y = gemm(y, weight, null, { transposeB: true });
  const session = await engine.compile(writeOnnx(graph, { y: slice(y, 0, 0, 1) }, engine.target));
  const random = new Generator(1);
  const feeds = { x: random.normal([rows, width]), weight: random.normal([width, width]) };
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await session.run(feeds);
    // The first run fetches its memory.
    if (run > 0) best = Math.min(best, (performance.now() - start) / 1000);
  }
  await session.release();
  return (links * 2 * rows * width * width) / best;
}
