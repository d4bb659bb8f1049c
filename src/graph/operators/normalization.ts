/** @file Layer and group normalisation without scale and bias, and GELU: primitives because their fused forward kernels are faster. */

import { floatTensor, sizeOf } from "../../core/tensor.js";
import { GraphError } from "../error.js";
import type { TensorType, Value } from "../ir.js";
import * as ops from "../ops.js";
import { float32, requireFloat } from "../shapes.js";
import type { OperatorRules } from "./rule.js";

function inferSame([x]: readonly [TensorType]) {
  requireFloat(x);
  return float32(x.shape);
}

/** With y = (x - mean) r over `axis`, r = (variance + epsilon)^-1/2: dx = r (dy - mean(dy) - y mean(dy y)). */
function normalizationVjp(dy: Value, y: Value, inverseDeviation: Value, axis: number): Value {
  const mean = ops.reduceMean(dy, [axis], { keepDims: true });
  const projection = ops.reduceMean(ops.mul(dy, y), [axis], { keepDims: true });
  return ops.mul(ops.sub(ops.sub(dy, mean), ops.mul(y, projection)), inverseDeviation);
}

/** Coefficients of gelu_tanh(x) = x sigmoid(x (linear + cubic x^2)). */
const geluLinear = Math.sqrt(8 / Math.PI);
const geluCubic = geluLinear * 0.044715;

/** d gelu / dx of both forms. */
function geluDerivative(x: Value, approximate: "tanh" | "none"): Value {
  switch (approximate) {
    case "tanh": {
      // s + x s (1 - s) (linear + 3 cubic x^2)
      const square = ops.mul(x, x);
      const s = ops.sigmoid(ops.mul(x, ops.add(ops.mul(square, geluCubic), geluLinear)));
      const slope = ops.mul(s, ops.mul(x, ops.add(ops.mul(square, 3 * geluCubic), geluLinear)));
      return ops.add(s, ops.sub(slope, ops.mul(slope, s)));
    }
    case "none": {
      // Phi(x) + x phi(x)
      const cumulative = ops.add(ops.mul(ops.erf(ops.mul(x, Math.SQRT1_2)), 0.5), 0.5);
      const density = ops.mul(ops.exp(ops.mul(ops.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return ops.add(cumulative, ops.mul(x, density));
    }
  }
}

export const normalizationRules: OperatorRules<"layerNormalization" | "groupNormalization" | "gelu"> = {
  layerNormalization: {
    // The second output, (variance + epsilon)^-1/2, makes the VJP cheap.
    infer: (inputs) => {
      const [type] = inferSame(inputs);
      return [type, { dtype: "float32", shape: [...type.shape.slice(0, -1), 1] }];
    },
    vjp: ({ outputs: [y, inverseDeviation], dy }) => [normalizationVjp(dy, y, inverseDeviation, y.shape.length - 1)],
    onnx: (emitter, node, [x]) => {
      const { epsilon } = node.attributes;
      const width = node.inputs[0].dim(-1);
      const ones = emitter.initializer(floatTensor([width], new Float32Array(width).fill(1)));
      const attributes = { axis: -1, epsilon: { float: epsilon } };
      if (!emitter.isUsed(node.outputs[1])) return [emitter.node("LayerNormalization", [x, ones], attributes)];
      if (emitter.target.layerNormStatistics) {
        const [y, , deviation] = emitter.nodes("LayerNormalization", [x, ones], 3, attributes);
        return [y, deviation];
      }
      const lastAxis = emitter.integers([node.inputs[0].shape.length - 1]);
      const centred = emitter.node("Sub", [x, emitter.node("ReduceMean", [x, lastAxis], { keepdims: 1 })]);
      const square = emitter.node("Mul", [centred, centred]);
      const variance = emitter.node("ReduceMean", [square, lastAxis], { keepdims: 1 });
      const deviation = emitter.node("Sqrt", [emitter.node("Add", [variance, emitter.scalar(epsilon)])]);
      const inverse = emitter.node("Reciprocal", [deviation]);
      return [emitter.node("Mul", [centred, inverse]), inverse];
    },
  },
  groupNormalization: {
    infer: (inputs, { groups }) => {
      const types = inferSame(inputs);
      const channels = types[0].shape[1];
      if (channels === undefined || channels % groups !== 0)
        throw new GraphError(`${groups} groups do not divide ${channels} channels`);
      return types;
    },
    vjp: ({ inputs: [x], outputs: [y], attributes: { groups, epsilon }, dy }) => {
      const grouped = (value: Value) => ops.reshape(value, [x.dim(0), groups, -1]);
      const values = grouped(x);
      const centred = ops.sub(values, ops.reduceMean(values, [2], { keepDims: true }));
      const variance = ops.reduceMean(ops.mul(centred, centred), [2], { keepDims: true });
      const inverse = ops.reciprocal(ops.sqrt(ops.add(variance, epsilon)));
      return [ops.reshape(normalizationVjp(grouped(dy), grouped(y), inverse, 2), x.shape)];
    },
    onnx: (emitter, node, [x]) => {
      const { groups, epsilon } = node.attributes;
      const { shape } = node.inputs[0];
      const ones = emitter.initializer(floatTensor([groups], new Float32Array(groups).fill(1)));
      const zeros = emitter.initializer(floatTensor([groups]));
      const batch = node.inputs[0].dim(0);
      const grouped = emitter.reshape(x, [batch, groups, sizeOf(shape) / (batch * groups)]);
      const normal = emitter.node("InstanceNormalization", [grouped, ones, zeros], { epsilon: { float: epsilon } });
      return [emitter.reshape(normal, shape)];
    },
  },
  gelu: {
    infer: inferSame,
    vjp: ({ inputs: [x], attributes: { approximate }, dy }) => [ops.mul(dy, geluDerivative(x, approximate))],
    onnx: (emitter, { attributes }, inputs) => [emitter.node("Gelu", inputs, { approximate: attributes.approximate })],
  },
};
