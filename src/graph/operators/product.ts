/** @file Matrix products. Transposition is an attribute, so that VJPs do not copy large matrices. */

import { formatShape } from "../../core/tensor.js";
import { GraphError } from "../error.js";
import type { TensorType } from "../ir.js";
import * as ops from "../ops.js";
import { broadcastShapes, dims, float32, requireFloat } from "../shapes.js";
import type { ProductAttributes } from "./attributes.js";
import type { OperatorRules, VjpContext } from "./rule.js";

/** Rows and columns of an operand after transposition. */
function matrixOf(operand: TensorType, transposed: boolean): [rows: number, columns: number] {
  const [rows, columns] = operand.shape.slice(-2);
  if (rows === undefined || columns === undefined)
    throw new GraphError(`${formatShape(operand.shape)} is not a matrix`);
  return transposed ? [columns, rows] : [rows, columns];
}

function inferProduct(a: TensorType, b: TensorType, { transposeA, transposeB }: ProductAttributes): number[] {
  requireFloat(a, b);
  const [rows, innerA] = matrixOf(a, transposeA);
  const [innerB, columns] = matrixOf(b, transposeB);
  if (innerA !== innerB) throw new GraphError(`inner sizes ${innerA} and ${innerB} differ`);
  return [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns];
}

/**
 * With Y = A' B', where A' is A or its transpose: dA' = dY B'^T and dB' = A'^T dY. For a transposed operand,
 * the product is written in transposed form, so that no result is transposed.
 */
function productVjp(
  product: typeof ops.matmul,
  { inputs: [a, b], attributes: { transposeA, transposeB }, dy, needed }: VjpContext<"matmul" | "gemm">,
) {
  const da = transposeA
    ? () => product(b, dy, { transposeA: transposeB, transposeB: true })
    : () => product(dy, b, { transposeA: false, transposeB: !transposeB });
  const db = transposeB
    ? () => product(dy, a, { transposeA: true, transposeB: transposeA })
    : () => product(a, dy, { transposeA: !transposeA, transposeB: false });
  return [needed[0] ? da() : null, needed[1] ? db() : null];
}

export const productRules: OperatorRules<"matmul" | "gemm"> = {
  matmul: {
    infer: ([a, b], attributes) => float32(inferProduct(a, b, attributes)),
    vjp: (context) => productVjp(ops.matmul, context),
    onnx: (emitter, { attributes: { transposeA, transposeB }, inputs }, [a, b]) => [
      emitter.node("MatMul", [
        transposeA ? emitter.swapLastAxes(a, inputs[0].shape.length) : a,
        transposeB ? emitter.swapLastAxes(b, inputs[1].shape.length) : b,
      ]),
    ],
  },
  gemm: {
    infer: (inputs, attributes) => {
      const [a, b, bias] = inputs;
      dims(a, 2);
      dims(b, 2);
      const shape = inferProduct(a, b, attributes);
      if (bias && (bias.shape.length !== 1 || bias.shape[0] !== shape[1])) {
        throw new GraphError(`the bias has shape ${formatShape(bias.shape)}, but the product has ${shape[1]} columns`);
      }
      return float32(shape);
    },
    vjp: (context) => [
      ...productVjp((a, b, options) => ops.gemm(a, b, null, options), context),
      context.needed[2] ? ops.reduceSum(context.dy, [0]) : null,
    ],
    onnx: (emitter, { attributes: { transposeA, transposeB } }, inputs) => [
      emitter.node("Gemm", inputs, { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }),
    ],
  },
};
