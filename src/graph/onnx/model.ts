/** @file What an engine is handed: ONNX bytes with the names and types that go in and come out. */

import type { DType, Shape } from "../../core/tensor.js";

/** Name, element type and static shape of one input or output. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A serialised graph. Weights stay in their own files; `weightFolder` is where the model's relative paths start. */
export interface OnnxModel {
  readonly bytes: Uint8Array;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly weightFolder: string | null;
  /** As the target that it was written for. */
  readonly repacksWeights: boolean;
}

/** What an execution provider can do beyond standard operators; graphs are written for it. */
export interface Target {
  /** Has a correct com.microsoft MultiHeadAttention (flash attention on CPU; wrong numbers on some WebGPU adapters). */
  readonly fusedAttention: boolean;
  /** LayerNormalization gives its third output, the inverse deviation. */
  readonly layerNormStatistics: boolean;
  /**
   * Shapes of reshapes are to be values that a caller might override. onnxruntime hands a freed buffer on to the next tensor of
   * the same known shape and keeps it until that one is gone: known shapes cost a training graph up to twice the memory.
   */
  readonly hiddenShapes: boolean;
  /**
   * Weights are copied into other layouts when the model is compiled, rather than read where they are at every run: gradients of
   * convolutions read kernels that are turned around, and onnxruntime folds casts and packs weights as it likes.
   */
  readonly repacksWeights: boolean;
  /** A weight is cast once for all its readers, which is less to copy. Otherwise each has a cast of its own: see `onnx/writer`, `openvino/weights`. */
  readonly sharesCasts: boolean;
}
