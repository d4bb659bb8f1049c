/** @file How much memory a training run will take, foretold from its graphs before any of them is compiled. */

import type { Shape } from "../../core/tensor.js";
import { sizeOf } from "../../core/tensor.js";
import { estimateMemory } from "../../graph/memory.js";
import { imagesOfRuns } from "../../objectives/candidates.js";
import type { ExecutionPlan } from "../../objectives/execution-plan.js";
import type { Objective } from "../../objectives/objective.js";
import { type PairErrorOptions, pairErrorGraph } from "../../objectives/pair-errors.js";
import { pairPredictionGraph } from "../../objectives/pair-predictions.js";
import type { BuiltGraph, DiffusionPipeline, SoftTokenSpec } from "../../pipelines/pipeline.js";
import { guidedDenoiserGraph } from "../../sampling/guided-denoiser.js";

/** What decides how much memory a run takes. */
export interface RunSizes {
  readonly objective: Pick<Objective, "candidates" | "targets">;
  /** Images per step. */
  readonly batch: number;
  /** Of the step's graph; no other graph copies weights. */
  readonly plan: ExecutionPlan;
  /** Pixels a side. */
  readonly resolution: number;
  readonly softTokens: SoftTokenSpec;
  /** Whether there are held-out images to measure by, and how many. */
  readonly heldOut: number;
  /** Pixels a side of the pictures that are drawn on the way; null for none. */
  readonly sampleSize: number | null;
  /** Images and captions that are trained on. */
  readonly images: number;
  readonly captions: number;
  /** Most bytes of encodings that are kept in memory. */
  readonly cacheBytes: number;
}

/** Bytes, each part as it is when the run is at its largest. */
export interface MemoryPlan {
  /** Node, the libraries, the command itself. */
  readonly process: number;
  /** Weights in their mapped files: resident once they are read, but the system may drop them and read them again. */
  readonly weights: number;
  /** Copies of weights in the engine's own layouts. */
  readonly copies: number;
  /** What the engine keeps of each compiled graph beside its values. */
  readonly sessions: number;
  /** Values of the graphs while they run; each session keeps its own for its next run. */
  readonly activations: number;
  /** Latents and caption embeddings that are kept. */
  readonly caches: number;
  readonly total: number;
}

/**
 * What onnxruntime was measured to take of SD3-like and UNet-like graphs, with and without gradients, 35 to 310 MB each (0.9 to 1.2
 * of what this says for nine of eleven, 0.6 and 1.4 for the others): its own notes of a node; a share of the values that lies idle between blocks of memory, which come in
 * sizes of their own; and scratch memory of its kernels, packed operands and attention's rows among them.
 */
const bytesANode = 6500;
const arenaShare = 1.25;
const kernelScratch = 16e6;

/** What comes to a process behind the opening of a pipeline: onnxruntime's code, and JavaScript's own growth. */
const processGrowth = 50e6;

/**
 * Float32 copies of repacked weights with gradients, and how many more of kernels there are while a model is compiled, before
 * activations are: 0.8 to 1.05 of what this says was measured at rows of Stable Diffusion 1.5, SDXL and SD3, 2.6 to 10.6 GB.
 */
const copiesOfKernels = 2.3;
const copiesOfOthers = 1.75;
const passingCopiesOfKernels = 1.5;

/** The most that encodings in memory take where nothing is said, half for images and half for captions. */
export const defaultCacheBytes = 2 * 2 ** 30;

/** Foretells the largest resident size of the process that trains; `pipeline` is open already in this one. */
export function planMemory(
  pipeline: DiffusionPipeline,
  sizes: RunSizes,
  resident = process.memoryUsage().rss,
): MemoryPlan {
  const step = stepGraph(pipeline, sizes);
  const others = otherGraphs(pipeline, sizes);
  let [activations, sessions] = [0, 0];
  for (const graph of [step, ...others]) {
    const needs = sessionMemory(graph);
    activations += needs.activations;
    sessions += needs.session;
  }
  // What has been copied is not read from its file again.
  const weights = weightBytes(sizes.plan.repackWeights ? others : [step, ...others]);
  const caches = Math.min(sizes.cacheBytes, encodingBytes(pipeline, sizes)) + validationBytes(pipeline, sizes);
  const copies = sizes.plan.repackWeights ? copiedBytes(step, activations) : 0;
  const base = resident + processGrowth;
  const total = base + weights + copies + sessions + activations + caches;
  return { process: base, weights, copies, sessions, activations, caches, total };
}

/** What a compiled graph takes beside its weights, in bytes: its values while it runs, and the engine's own notes of it. */
export function sessionMemory({ graph, outputs }: BuiltGraph): {
  readonly activations: number;
  readonly session: number;
} {
  const { activations } = estimateMemory(graph, outputs);
  return { activations: arenaShare * activations + kernelScratch, session: bytesANode * graph.nodes.length };
}

/** The graph of a training step. */
export function stepGraph(pipeline: DiffusionPipeline, sizes: RunSizes): BuiltGraph {
  return built(pairErrorGraph(pipeline, pairOptions(pipeline, sizes, true)));
}

/** The forward graph of an objective that computes targets. */
export function predictionGraph(pipeline: DiffusionPipeline, sizes: RunSizes): BuiltGraph {
  return built(pairPredictionGraph(pipeline, pairOptions(pipeline, sizes, true)));
}

/** Bytes of all encodings of the data: what the caches grow to unless their limit is below. */
export function encodingBytes(pipeline: DiffusionPipeline, { images, captions, resolution }: RunSizes): number {
  return images * latentBytes(pipeline, resolution) + captions * captionBytes(pipeline);
}

/** Every graph that is compiled beside the step's while the run lasts. */
function otherGraphs(pipeline: DiffusionPipeline, sizes: RunSizes): BuiltGraph[] {
  const { resolution, sampleSize, heldOut } = sizes;
  const graphs = [
    pipeline.partGraph({ kind: "text-encoders", prompts: 1 }),
    pipeline.partGraph({ kind: "encoder", size: resolution }),
  ];
  if (sizes.objective.targets !== undefined) graphs.push(predictionGraph(pipeline, sizes));
  if (heldOut > 0) graphs.push(built(pairErrorGraph(pipeline, pairOptions(pipeline, sizes, false))));
  if (sampleSize !== null) {
    const options = { images: 1, guided: true, softTokens: sizes.softTokens };
    const latentShape = latentShapeOf(pipeline, sampleSize);
    graphs.push(built(guidedDenoiserGraph(pipeline, { ...options, latentShape })));
    graphs.push(pipeline.partGraph({ kind: "decoder", size: sampleSize }));
  }
  return graphs;
}

function pairOptions(pipeline: DiffusionPipeline, sizes: RunSizes, gradients: boolean): PairErrorOptions {
  const images = gradients ? imagesOfRuns(sizes.objective.candidates) : "shared";
  const targets = gradients && sizes.objective.targets !== undefined ? "each" : images;
  const latentShape = latentShapeOf(pipeline, sizes.resolution);
  const { plan, softTokens } = sizes;
  return { plan, latentShape, images, targets, softTokens, gradients };
}

function built({ graph, outputs }: { graph: BuiltGraph["graph"]; outputs: object }): BuiltGraph {
  return { graph, outputs: Object.values(outputs) };
}

/** Several sessions map the same files: each weight counts once. */
function weightBytes(graphs: readonly BuiltGraph[]): number {
  const seen = new Map<string, number>();
  for (const { graph } of graphs) {
    for (const node of graph.nodes) {
      if (node.op !== "parameter") continue;
      const { file, offset, length } = node.attributes.stored;
      seen.set(`${file}\n${offset}`, length);
    }
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes that a graph with gradients and repacked weights takes beside its `activations`. */
export function copiedBytes({ graph }: BuiltGraph, activations: number): number {
  const shapes = new Map<string, Shape>();
  for (const node of graph.nodes) {
    if (node.op !== "parameter") continue;
    const { file, offset, shape } = node.attributes.stored;
    shapes.set(`${file}\n${offset}`, shape);
  }
  let [kernels, others] = [0, 0];
  for (const shape of shapes.values()) {
    const isKernel = shape.length === 4 && sizeOf(shape.slice(2)) > 1;
    if (isKernel) kernels += 4 * sizeOf(shape);
    else others += 4 * sizeOf(shape);
  }
  const passing = Math.max(0, passingCopiesOfKernels * kernels - activations);
  return copiesOfKernels * kernels + copiesOfOthers * others + passing;
}

function latentShapeOf(pipeline: DiffusionPipeline, size: number): Shape {
  const side = size / pipeline.vaeScaleFactor;
  return [pipeline.latentChannels, side, side];
}

function latentBytes(pipeline: DiffusionPipeline, size: number): number {
  return 4 * sizeOf(latentShapeOf(pipeline, size));
}

function captionBytes({ conditioningShapes }: DiffusionPipeline): number {
  return Object.values(conditioningShapes).reduce((sum, shape) => sum + 4 * sizeOf(shape), 0);
}

/** Held-out batches stay encoded as a whole. */
function validationBytes(pipeline: DiffusionPipeline, { heldOut, resolution }: RunSizes): number {
  return heldOut * (latentBytes(pipeline, resolution) + captionBytes(pipeline));
}
