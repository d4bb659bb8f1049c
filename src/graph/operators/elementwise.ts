/** @file Elementwise operators; those with several operands broadcast as in numpy. */

import { GraphError } from "../error.js";
import type { TensorType, Value } from "../ir.js";
import { onnxDataType } from "../onnx/emitter.js";
import * as ops from "../ops.js";
import { broadcastShapes, float32, requireFloat } from "../shapes.js";
import type { OperatorRule, OperatorRules, Vjp } from "./rule.js";

export type UnaryName =
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "reciprocal"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "sin"
  | "cos"
  | "relu";
export type BinaryName = "add" | "sub" | "mul" | "div";

function inferUnary([x]: readonly [TensorType]): readonly [TensorType] {
  requireFloat(x);
  return float32(x.shape);
}

function inferBinary([a, b]: readonly [TensorType, TensorType]): TensorType {
  if (a.dtype !== b.dtype) throw new GraphError(`operands are ${a.dtype} and ${b.dtype}`);
  return { dtype: a.dtype, shape: broadcastShapes(a.shape, b.shape) };
}

/** A unary rule from its ONNX name and the function that gives the cotangent of x. */
function unary(onnxName: string, cotangent: (dy: Value, x: Value, y: Value) => Value): OperatorRule<UnaryName> {
  const vjp: Vjp<UnaryName> = ({ inputs: [x], outputs: [y], dy }) => [cotangent(dy, x, y)];
  return { infer: inferUnary, vjp, onnx: (emitter, _, inputs) => [emitter.node(onnxName, inputs)] };
}

function binary(onnxName: string, vjp: Vjp<BinaryName>): OperatorRule<BinaryName> {
  return {
    infer: (inputs) => [inferBinary(inputs)],
    vjp,
    onnx: (emitter, _, inputs) => [emitter.node(onnxName, inputs)],
  };
}

export const elementwiseRules: OperatorRules<UnaryName | BinaryName | "cast" | "greater" | "where"> = {
  cast: {
    infer: ([x], { to }) => [{ dtype: to, shape: x.shape }],
    vjp: ({ inputs: [x], dy }) => [ops.cast(dy, x.dtype)],
    onnx: (emitter, { attributes }, inputs) => [emitter.node("Cast", inputs, { to: onnxDataType[attributes.to] })],
  },
  neg: unary("Neg", (dy) => ops.neg(dy)),
  exp: unary("Exp", (dy, _, y) => ops.mul(dy, y)),
  log: unary("Log", (dy, x) => ops.div(dy, x)),
  sqrt: unary("Sqrt", (dy, _, y) => ops.div(ops.mul(dy, 0.5), y)),
  reciprocal: unary("Reciprocal", (dy, _, y) => ops.neg(ops.mul(dy, ops.mul(y, y)))),
  tanh: unary("Tanh", (dy, _, y) => ops.sub(dy, ops.mul(dy, ops.mul(y, y)))),
  sigmoid: unary("Sigmoid", (dy, _, y) => {
    const gated = ops.mul(dy, y);
    return ops.sub(gated, ops.mul(gated, y));
  }),
  erf: unary("Erf", (dy, x) => ops.mul(dy, ops.mul(ops.exp(ops.neg(ops.mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  sin: unary("Sin", (dy, x) => ops.mul(dy, ops.cos(x))),
  cos: unary("Cos", (dy, x) => ops.neg(ops.mul(dy, ops.sin(x)))),
  relu: unary("Relu", (dy, x) => ops.where(ops.greater(x, 0), dy, 0)),
  add: binary("Add", ({ dy, needed: [a, b] }) => [a ? dy : null, b ? dy : null]),
  sub: binary("Sub", ({ dy, needed: [a, b] }) => [a ? dy : null, b ? ops.neg(dy) : null]),
  mul: binary("Mul", ({ inputs: [x, y], dy, needed: [a, b] }) => [
    a ? ops.mul(dy, y) : null,
    b ? ops.mul(dy, x) : null,
  ]),
  div: binary("Div", ({ inputs: [, y], outputs: [quotient], dy, needed: [a, b] }) => {
    const dx = ops.div(dy, y);
    return [a ? dx : null, b ? ops.neg(ops.mul(dx, quotient)) : null];
  }),
  greater: {
    infer: (inputs) => [{ dtype: "bool", shape: inferBinary(inputs).shape }],
    vjp: "not differentiable",
    onnx: (emitter, _, inputs) => [emitter.node("Greater", inputs)],
  },
  where: {
    infer: ([condition, a, b]) => {
      if (condition.dtype !== "bool") throw new GraphError(`the condition is ${condition.dtype}, not bool`);
      const { dtype, shape } = inferBinary([a, b]);
      return [{ dtype, shape: broadcastShapes(condition.shape, shape) }];
    },
    vjp: ({ inputs: [condition], dy, needed: [, a, b] }) => [
      null,
      a ? ops.where(condition, dy, 0) : null,
      b ? ops.where(condition, 0, dy) : null,
    ],
    onnx: (emitter, _, inputs) => [emitter.node("Where", inputs)],
  },
};
