/** @file The benchmarks, each run in a separate process to measure its peak memory. */

import { Generator } from "#softrepa/core/random.js";
import { floatTensor } from "#softrepa/core/tensor.js";
import { countFlops } from "#softrepa/graph/flops.js";
import type { Graph } from "#softrepa/graph/graph.js";
import type { Value } from "#softrepa/graph/ir.js";
import { fullMatrix } from "#softrepa/objectives/candidates.js";
import { executionPlan } from "#softrepa/objectives/execution-plan.js";
import { compilePairErrors, pairErrorGraph } from "#softrepa/objectives/pair-errors.js";
import { softRepa } from "#softrepa/objectives/softrepa.js";
import type { MmditDenoiser } from "#softrepa/pipelines/mmdit-denoiser.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { compileGuidedDenoiser, guidedDenoiserGraph } from "#softrepa/sampling/guided-denoiser.js";
import { SoftTokenEmbedding } from "#softrepa/softtokens/embedding.js";
import { initialSoftTokens } from "#softrepa/softtokens/initial.js";
import { TrainingStep } from "#softrepa/training/training-step.js";
import { convolutions } from "./convolution.js";
import { measurePeakGflops, peakMemory, time } from "./measure.js";
import { benchDenoiser, randomConditioning } from "./subject.js";

/** The result of one benchmark: times in seconds, operations in GFLOP, memory in MB. */
export interface Measurement {
  readonly title: string;
  readonly seconds: number;
  readonly runs: number;
  /** All operations. */
  readonly executed: number;
  /** Operations without the recomputation of checkpoints. */
  readonly useful: number;
  /** The machine's peak rate in matrix products, measured before and after; 0 if not measured. */
  readonly peakGflops: number;
  readonly peakMemory: number | null;
}

/** 1024 image tokens. */
const latentShape = [16, 64, 64];
const softTokens = { shape: [5, 4, 768], stages: null };
const blocks = 12;

/** A graph to time, with functions that run it once and release it. */
interface Step {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly run: () => Promise<unknown>;
  readonly release: () => Promise<void>;
}

/** Times a step and measures the machine's peak rate before and after it. */
async function measureStep(
  title: string,
  repetitions: number,
  open: (denoiser: MmditDenoiser, random: Generator) => Promise<Step>,
): Promise<Measurement> {
  const engine = new OnnxRuntimeEngine("cpu");
  const before = await measurePeakGflops(engine);
  const step = await open(await benchDenoiser(engine, blocks), new Generator(0));
  const { executed, useful } = countFlops(step.graph, Object.values(step.outputs));
  const { median: seconds, runs } = await time(step.run, repetitions);
  const memory = peakMemory();
  await step.release();
  const peakGflops = Math.max(before, await measurePeakGflops(engine));
  await engine.close();
  return { title, seconds, runs, executed: executed / 1e9, useful: useful / 1e9, peakGflops, peakMemory: memory };
}

/** One row of B = 4: forward, backward, gradients of 4 pairs. */
function trainingStep(): Promise<Measurement> {
  return measureStep("training step: 4 pairs forward + backward", 3, async (denoiser, random) => {
    const options = { plan: executionPlan(4), latentShape, images: "shared", softTokens, gradients: true } as const;
    const step = await compilePairErrors(denoiser, options);
    const feeds = {
      sample: random.normal([1, ...latentShape]),
      target: random.normal([1, ...latentShape]),
      timestep: floatTensor([1], Float32Array.of(500)),
      conditioning: randomConditioning(denoiser, 4, random),
      softTokens: random.normal(softTokens.shape),
    };
    return { ...pairErrorGraph(denoiser, options), run: () => step.run(feeds), release: () => step.release() };
  });
}

/** One guided denoising step of one image. */
function samplingStep(): Promise<Measurement> {
  return measureStep("sampling step: 1 image, both guidance branches", 5, async (denoiser, random) => {
    const options = { images: 1, latentShape, guided: true, softTokens };
    const step = await compileGuidedDenoiser(denoiser, options);
    const feeds = {
      sample: random.normal([1, ...latentShape]),
      timestep: 500,
      conditioning: randomConditioning(denoiser, 2, random),
      softTokens: random.normal(softTokens.shape),
      guidanceScale: 4,
    };
    return { ...guidedDenoiserGraph(denoiser, options), run: () => step.run(feeds), release: () => step.release() };
  });
}

/** A complete contrastive step: B x B pairs in runs of 4, with 4 blocks and 64 image tokens. */
async function completeStep(batch: number): Promise<Measurement> {
  const engine = new OnnxRuntimeEngine("cpu");
  const denoiser = await benchDenoiser(engine, 4);
  const random = new Generator(0);
  const sizes = { layers: 4, count: 4, buckets: 100, width: "projected" } as const;
  const embedding = await SoftTokenEmbedding.open(denoiser, initialSoftTokens(denoiser.softTokenLayout, sizes, random));
  const small = [16, 16, 16];
  const objective = softRepa({ temperature: 1, scale: 4, dweight: 0 });
  const step = await TrainingStep.open(denoiser, embedding, objective, {
    latentShape: small,
    plan: executionPlan(4),
  });
  const contrast = {
    latents: random.normal([batch, ...small]),
    conditioning: randomConditioning(denoiser, batch, random),
    noise: random.normal([1, ...small]),
    timestep: 500,
    rows: fullMatrix(batch),
  };
  const start = performance.now();
  await step.run(contrast);
  const seconds = (performance.now() - start) / 1000;
  const memory = peakMemory();
  await engine.close();
  const title = `complete step at B = ${batch}: ${batch * batch} pairs`;
  return { title, seconds, runs: 1, executed: 0, useful: 0, peakGflops: 0, peakMemory: memory };
}

export const cases: Readonly<Record<string, () => Promise<unknown>>> = {
  train: trainingStep,
  sample: samplingStep,
  convolutions,
  "step-b4": () => completeStep(4),
  "step-b16": () => completeStep(16),
};
