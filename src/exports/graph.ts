/**
 * @file `softrepa/graph`: the graph builder, reverse-mode autodiff, the ONNX writer, and the engines that run graphs.
 *
 * ```ts
 * import { Graph, gradientsOfSum, openEngine, ops, writeOnnx } from "softrepa/graph";
 *
 * const graph = new Graph();
 * const x = ops.input(graph, "x", [2, 3]);
 * const y = ops.reduceMean(ops.mul(x, x), [1]);
 * const [gradient] = gradientsOfSum(y, [x]);
 * const { engine } = await openEngine();
 * const session = await engine.compile(writeOnnx(graph, { y, gradient }, engine.target));
 * ```
 */

export type { Tuple } from "../core/lists.js";
export { Generator, type GeneratorState } from "../core/random.js";
export {
  type DType,
  type FloatTensor,
  floatTensor,
  type HostArrays,
  intTensor,
  type Shape,
  type Tensor,
  type TensorOf,
} from "../core/tensor.js";
export { gradients, gradientsOfSum, type Seed } from "../graph/autodiff.js";
export { GraphError } from "../graph/error.js";
export { Graph } from "../graph/graph.js";
export type { CheckpointRegion, GraphBuilder, GraphNode, OperatorNode, Tap, TensorType, Value } from "../graph/ir.js";
export type { OnnxModel, Target, TensorSpec } from "../graph/onnx/model.js";
export { writeOnnx } from "../graph/onnx/writer.js";
export type {
  ConvolutionAttributes,
  NoAttributes,
  OperatorAttributes,
  OperatorName,
  ProductAttributes,
} from "../graph/operators/attributes.js";
export type { Operands, OperandTuples, Results } from "../graph/operators/operands.js";
export type { Operand, ReduceOptions } from "../graph/ops.js";
export * as ops from "../graph/ops.js";
export { formatGraph } from "../graph/print.js";
export { ReadTap } from "../graph/taps.js";
export { Weights } from "../models/weights.js";
export {
  type CompileOptions,
  type Engine,
  type Library,
  libraries,
  type NamedTensors,
  type Precision,
  type Provider,
  precisions,
  providers,
  type Session,
} from "../runtime/engine.js";
export { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
export { type EngineRequest, type OpenedEngine, openEngine } from "../runtime/open-engine.js";
export { OpenVinoEngine } from "../runtime/openvino/engine.js";
export { findOpenVino } from "../runtime/openvino/find-library.js";
export type { SelfTest } from "../runtime/self-test.js";
export type { EngineDescription, WorkerEngine } from "../runtime/worker-engine.js";
export { type CheckpointStem, openCheckpoint } from "../weights/checkpoint.js";
export { openSafetensors, readTensor, writeSafetensors } from "../weights/safetensors.js";
export type { ArrangedTensor, StoredTensor, StoredType, WeightSource } from "../weights/source.js";
