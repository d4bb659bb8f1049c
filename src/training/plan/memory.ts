/** @file Estimates the memory of a training run from its graphs before compiling them. */

import type { Shape } from "../../core/tensor.js";
import { sizeOf } from "../../core/tensor.js";
import { estimateMemory } from "../../graph/memory.js";
import { imageSharing } from "../../objectives/candidates.js";
import type { ExecutionPlan } from "../../objectives/execution-plan.js";
import type { Objective } from "../../objectives/objective.js";
import { type PairErrorOptions, pairErrorGraph } from "../../objectives/pair-errors.js";
import { pairPredictionGraph } from "../../objectives/pair-predictions.js";
import type { BuiltGraph, DiffusionPipeline, SoftTokenSpec } from "../../pipelines/pipeline.js";
import { guidedDenoiserGraph } from "../../sampling/guided-denoiser.js";

/** The settings that memory depends on. */
export interface RunSizes {
  readonly objective: Pick<Objective, "candidates" | "targets">;
  /** Images per step. */
  readonly batch: number;
  /** Plan of the training graph; no other graph repacks weights. */
  readonly plan: ExecutionPlan;
  /** Image size in pixels. */
  readonly resolution: number;
  readonly softTokens: SoftTokenSpec;
  /** Number of held-out images. */
  readonly heldOut: number;
  /** Size in pixels of images that are sampled during training; null for none. */
  readonly sampleSize: number | null;
  /** Number of training images and captions. */
  readonly images: number;
  readonly captions: number;
  /** Maximum bytes of cached encodings in memory. */
  readonly cacheBytes: number;
}

/** Peak memory in bytes. */
export interface MemoryPlan {
  /** Node, libraries and the program itself. */
  readonly process: number;
  /** Memory-mapped weights: resident once they are read, but the system may evict and reread them. */
  readonly weights: number;
  /** Repacked copies of weights. */
  readonly copies: number;
  /** The engine's data structures of compiled graphs. */
  readonly sessions: number;
  /** Intermediate values; each session keeps its memory between runs. */
  readonly activations: number;
  /** Cached latents and text embeddings. */
  readonly caches: number;
  readonly total: number;
}

/**
 * Fitted to measurements of onnxruntime on SD3-like and UNet-like graphs with and without gradients, 35 to 310 MB each. Measured
 * memory is 0.9 to 1.2 times the estimate for nine of eleven graphs, 0.6 and 1.4 times for the others. The terms are data structures
 * per node, fragmentation of the arena, and scratch memory of kernels (packed operands, rows of attention).
 */
const bytesPerNode = 6500;
const arenaFactor = 1.25;
const kernelScratch = 16e6;

/** Growth of a process after it opens a pipeline: onnxruntime's code and the JavaScript heap. */
const processGrowth = 50e6;

/**
 * Float32 copies of repacked weights in a graph with gradients: of convolution kernels, of other weights, and temporary ones of kernels
 * during compilation, before activations exist. Measured memory is 0.8 to 1.05 times the estimate for rows of Stable Diffusion 1.5,
 * SDXL and SD3, 2.6 to 10.6 GB.
 */
const kernelCopies = 2.3;
const otherCopies = 1.75;
const temporaryKernelCopies = 1.5;

/** Default limit of cached encodings, half for images and half for captions. */
export const defaultCacheBytes = 2 * 2 ** 30;

/** Estimates the peak resident memory of the training process; `pipeline` must be open in this process. */
export function planMemory(
  pipeline: DiffusionPipeline,
  sizes: RunSizes,
  resident = process.memoryUsage().rss,
): MemoryPlan {
  const step = stepGraph(pipeline, sizes);
  const others = otherGraphs(pipeline, sizes);
  let [activations, sessions] = [0, 0];
  for (const graph of [step, ...others]) {
    const memory = sessionMemory(graph);
    activations += memory.activations;
    sessions += memory.session;
  }
  // Repacked weights are not read from their files again.
  const weights = weightBytes(sizes.plan.repackWeights ? others : [step, ...others]);
  const caches = Math.min(sizes.cacheBytes, encodingBytes(pipeline, sizes)) + validationBytes(pipeline, sizes);
  const copies = sizes.plan.repackWeights ? copiedBytes(step, activations) : 0;
  const base = resident + processGrowth;
  const total = base + weights + copies + sessions + activations + caches;
  return { process: base, weights, copies, sessions, activations, caches, total };
}

/** Memory of a compiled graph without its weights, in bytes: intermediate values and the engine's data structures. */
export function sessionMemory({ graph, outputs }: BuiltGraph): {
  readonly activations: number;
  readonly session: number;
} {
  const { activations } = estimateMemory(graph, outputs);
  return { activations: arenaFactor * activations + kernelScratch, session: bytesPerNode * graph.nodes.length };
}

/** The graph of a training step, with gradients. */
export function stepGraph(pipeline: DiffusionPipeline, sizes: RunSizes): BuiltGraph {
  return built(pairErrorGraph(pipeline, pairOptions(pipeline, sizes, true)));
}

/** The forward graph of an objective that computes targets. */
export function predictionGraph(pipeline: DiffusionPipeline, sizes: RunSizes): BuiltGraph {
  return built(pairPredictionGraph(pipeline, pairOptions(pipeline, sizes, true)));
}

/** Bytes of the encodings of all training data. */
export function encodingBytes(pipeline: DiffusionPipeline, { images, captions, resolution }: RunSizes): number {
  return images * latentBytes(pipeline, resolution) + captions * captionBytes(pipeline);
}

/** All other graphs that a run compiles. */
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
  const images = gradients ? imageSharing(sizes.objective.candidates) : "shared";
  const targets = gradients && sizes.objective.targets !== undefined ? "each" : images;
  const latentShape = latentShapeOf(pipeline, sizes.resolution);
  const { plan, softTokens } = sizes;
  return { plan, latentShape, images, targets, softTokens, gradients };
}

function built({ graph, outputs }: { graph: BuiltGraph["graph"]; outputs: object }): BuiltGraph {
  return { graph, outputs: Object.values(outputs) };
}

/** Sessions share mapped files, so each weight counts once. */
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

/** Bytes that repacking adds to a graph with gradients. */
export function copiedBytes({ graph }: BuiltGraph, activations: number): number {
  const shapes = new Map<string, Shape>();
  for (const node of graph.nodes) {
    if (node.op !== "parameter") continue;
    const { file, offset, shape } = node.attributes.stored;
    shapes.set(`${file}\n${offset}`, shape);
  }
  let [kernels, other] = [0, 0];
  for (const shape of shapes.values()) {
    const isKernel = shape.length === 4 && sizeOf(shape.slice(2)) > 1;
    if (isKernel) kernels += 4 * sizeOf(shape);
    else other += 4 * sizeOf(shape);
  }
  const temporary = Math.max(0, temporaryKernelCopies * kernels - activations);
  return kernelCopies * kernels + otherCopies * other + temporary;
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

/** Encodings of all held-out images stay in memory. */
function validationBytes(pipeline: DiffusionPipeline, { heldOut, resolution }: RunSizes): number {
  return heldOut * (latentBytes(pipeline, resolution) + captionBytes(pipeline));
}
