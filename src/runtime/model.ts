/** @file What an engine is handed: ONNX bytes with the names and types that go in and come out. */

import type { DType, Shape } from "../core/tensor.js";

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
   * Gradients of convolutions are to read kernels turned around when the model is compiled, a copy of each, rather than turn
   * images at every run. In OpenVINO's bf16 that takes a quarter off a step of Stable Diffusion 1.5; in float32, 3%.
   */
  readonly turnsKernels: boolean;
}
