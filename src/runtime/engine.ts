/** @file The interface between graphs and whatever executes them. */

import type { Tensor } from "../core/tensor.js";
import type { OnnxModel, Target, TensorSpec } from "./model.js";

/** Tensors by the names of a model's inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A compiled model, ready to run; holds native memory until released. */
export interface Session {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** One run. Inputs are checked by name, type and shape, and copied; the caller keeps its arrays. */
  run(feeds: NamedTensors): Promise<NamedTensors>;
  /** Frees the native memory. A session must not be run afterwards. */
  release(): Promise<void>;
}

export interface CompileOptions {
  /** Write an onnxruntime profile (JSON) to files that start so; read it after `release`. */
  readonly profilePrefix?: string;
  /**
   * Let the engine keep weights in its own layout: a little faster, at the price of a second copy in memory.
   * Default false: weights stay in the mapped checkpoint files.
   */
  readonly repackWeights?: boolean;
}

/** Executes models; runs of one engine never overlap. */
export interface Engine {
  /** Which provider executes, e.g. `cpu`. */
  readonly provider: Provider;
  /** What graphs for this engine may contain. */
  readonly target: Target;
  compile(model: OnnxModel, options?: CompileOptions): Promise<Session>;
  /** Waits for the run under way, then frees everything. */
  close(): Promise<void>;
}

/** Execution providers of onnxruntime-node by the names it uses. */
export const providers = ["cpu", "webgpu", "cuda", "dml", "coreml"] as const;
export type Provider = (typeof providers)[number];
