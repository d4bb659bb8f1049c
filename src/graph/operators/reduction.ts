/** @file Sums, means and softmax. */

import type { Shape } from "../../core/tensor.js";
import type { OperatorNode, TensorType, Value } from "../ir.js";
import type { Emitter } from "../onnx/emitter.js";
import * as ops from "../ops.js";
import { float32, requireFloat } from "../shapes.js";
import type { OperatorAttributes } from "./attributes.js";
import type { OperatorRules } from "./rule.js";

type ReduceAttributes = OperatorAttributes["reduceSum"];

function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

function inferReduction([x]: readonly [TensorType], { axes, keepDims }: ReduceAttributes) {
  requireFloat(x);
  const { shape } = x;
  return float32(keepDims ? keptShape(shape, axes) : shape.filter((_, axis) => !axes.includes(axis)));
}

/** Broadcasts dy over the reduced axes. */
function broadcastBack(dy: Value, x: Value, axes: readonly number[]): Value {
  return ops.expand(ops.reshape(dy, keptShape(x.shape, axes)), x.shape);
}

function emitReduction(
  emitter: Emitter,
  node: OperatorNode<"reduceSum" | "reduceMean">,
  onnxName: string,
  [x]: readonly [string],
): readonly [string] {
  const { axes, keepDims } = node.attributes;
  return [emitter.node(onnxName, [x, emitter.integers(axes)], { keepdims: keepDims ? 1 : 0 })];
}

export const reductionRules: OperatorRules<"reduceSum" | "reduceMean" | "softmax"> = {
  reduceSum: {
    infer: inferReduction,
    vjp: ({ inputs: [x], attributes: { axes }, dy }) => [broadcastBack(dy, x, axes)],
    onnx: (emitter, node, inputs) => emitReduction(emitter, node, "ReduceSum", inputs),
  },
  reduceMean: {
    infer: inferReduction,
    vjp: ({ inputs: [x], attributes: { axes }, dy }) => {
      const count = axes.reduce((product, axis) => product * x.dim(axis), 1);
      return [broadcastBack(ops.mul(dy, 1 / count), x, axes)];
    },
    onnx: (emitter, node, inputs) => emitReduction(emitter, node, "ReduceMean", inputs),
  },
  softmax: {
    infer: ([x]) => {
      requireFloat(x);
      return float32(x.shape);
    },
    vjp: ({ outputs: [y], attributes: { axis }, dy }) => [
      ops.mul(y, ops.sub(dy, ops.reduceSum(ops.mul(dy, y), [axis], { keepDims: true }))),
    ],
    onnx: (emitter, { attributes }, inputs) => [emitter.node("Softmax", inputs, { axis: attributes.axis })],
  },
};
