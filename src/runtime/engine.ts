/** @file The interface of engines, which execute ONNX models. */

import type { Tensor } from "../core/tensor.js";
import type { OnnxModel, Target, TensorSpec } from "../graph/onnx/model.js";

/** Tensors by the names of a model's inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A compiled model; it uses native memory until it is released. */
export interface Session extends AsyncDisposable {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Runs the model once. Inputs are checked by name, type and shape, and copied, so the caller keeps its arrays. */
  run(feeds: NamedTensors): Promise<NamedTensors>;
  /** Frees the native memory. The session cannot be run afterwards. */
  release(): Promise<void>;
}

export interface CompileOptions {
  /** Path prefix of an onnxruntime profile (JSON), which is complete after `release`. */
  readonly profilePrefix?: string;
}

/** Executes models; runs of one engine never overlap. */
export interface Engine extends AsyncDisposable {
  readonly library: Library;
  /** The execution provider, e.g. `cpu`. */
  readonly provider: Provider;
  /** Precision of matrix products and convolutions; inputs and outputs keep their own types. */
  readonly precision: Precision;
  /** What graphs for this engine are written for. */
  readonly target: Target;
  /** The same for graphs whose weights may be copied into faster layouts; null if that makes no difference. */
  readonly repackingTarget: Target | null;
  compile(model: OnnxModel, options?: CompileOptions): Promise<Session>;
  /** Waits for the current run, then frees everything. */
  close(): Promise<void>;
}

/** The target of a graph; weights stay in their mapped files unless `repackWeights` is true. */
export function targetFor({ target, repackingTarget }: Engine, repackWeights = false): Target {
  return repackWeights ? (repackingTarget ?? target) : target;
}

/** The libraries that can execute ONNX models. */
export const libraries = ["onnxruntime", "openvino"] as const;
export type Library = (typeof libraries)[number];

export const precisions = ["fp32", "bf16"] as const;
export type Precision = (typeof precisions)[number];

/** Execution providers by their names in onnxruntime-node. */
export const providers = ["cpu", "webgpu", "cuda", "dml", "coreml"] as const;
export type Provider = (typeof providers)[number];
