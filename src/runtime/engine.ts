/** @file The interface between graphs and whatever executes them. */

import type { Tensor } from "../core/tensor.js";
import type { OnnxModel, Target, TensorSpec } from "../graph/onnx/model.js";

/** Tensors by the names of a model's inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A compiled model, ready to run; holds native memory until released. */
export interface Session extends AsyncDisposable {
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
}

/** Executes models; runs of one engine never overlap. */
export interface Engine extends AsyncDisposable {
  readonly library: Library;
  /** Which provider executes, e.g. `cpu`. */
  readonly provider: Provider;
  /** In which products are computed; tensors go in and come out in their own types all the same. */
  readonly precision: Precision;
  /** What graphs for this engine may contain. */
  readonly target: Target;
  /** The same for graphs whose weights may be copied into faster layouts; null where that makes no difference. */
  readonly repackingTarget: Target | null;
  compile(model: OnnxModel, options?: CompileOptions): Promise<Session>;
  /** Waits for the run under way, then frees everything. */
  close(): Promise<void>;
}

/** What a graph is to be written for; weights stay in their mapped files unless they may be repacked. */
export function targetFor({ target, repackingTarget }: Engine, repackWeights = false): Target {
  return repackWeights ? (repackingTarget ?? target) : target;
}

/** The libraries that execute ONNX. */
export const libraries = ["onnxruntime", "openvino"] as const;
export type Library = (typeof libraries)[number];

export const precisions = ["fp32", "bf16"] as const;
export type Precision = (typeof precisions)[number];

/** Execution providers of onnxruntime-node by the names it uses. */
export const providers = ["cpu", "webgpu", "cuda", "dml", "coreml"] as const;
export type Provider = (typeof providers)[number];
