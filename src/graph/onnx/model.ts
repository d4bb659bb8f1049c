/** @file An ONNX model with the names and types of its inputs and outputs, and the targets that graphs are written for. */

import type { DType, Shape } from "../../core/tensor.js";

/** Name, element type and static shape of one input or output. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A serialised graph. Weights stay in their files, with paths relative to `weightFolder`; null without weights. */
export interface OnnxModel {
  readonly bytes: Uint8Array;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly weightFolder: string | null;
  /** Copied from the target that it was written for. */
  readonly repacksWeights: boolean;
}

/** The capabilities of an execution provider, for which graphs are written. */
export interface Target {
  /** Has a correct com.microsoft MultiHeadAttention (flash attention on the CPU; wrong results on some WebGPU adapters). */
  readonly fusedAttention: boolean;
  /** LayerNormalization returns its third output, the inverse standard deviation. */
  readonly layerNormStatistics: boolean;
  /**
   * Writes shapes of reshapes as inputs with default values, which a caller could override. onnxruntime passes a freed buffer to the
   * next tensor of the same known shape and keeps it allocated until then: known shapes take up to twice the memory in training graphs.
   */
  readonly hiddenShapes: boolean;
  /**
   * Copies weights into faster layouts when the model is compiled, instead of reading them from their mapped files at every run:
   * gradients of convolutions use flipped kernels, and onnxruntime folds casts and packs weights.
   */
  readonly repacksWeights: boolean;
  /** Casts a weight once for all its readers instead of once per reader: see `onnx/writer`, `openvino/weights`. */
  readonly sharesCasts: boolean;
}
