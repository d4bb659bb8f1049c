/** @file Operators that move elements without computing. */

import { formatShape, sameShape, sizeOf } from "../../core/tensor.js";
import { GraphError } from "../error.js";
import * as ops from "../ops.js";
import { broadcastShapes, sizeAt, withAxis } from "../shapes.js";
import type { OperatorRules } from "./rule.js";

export type LayoutName = "reshape" | "transpose" | "expand" | "slice" | "reverse" | "concat" | "pad";

export const layoutRules: OperatorRules<LayoutName> = {
  reshape: {
    infer: ([{ dtype, shape: from }], { shape }) => {
      if (sizeOf(from) !== sizeOf(shape)) {
        throw new GraphError(`cannot reshape ${formatShape(from)} to ${formatShape(shape)}`);
      }
      return [{ dtype, shape }];
    },
    vjp: ({ inputs: [x], dy }) => [ops.reshape(dy, x.shape)],
    onnx: (emitter, { attributes }, [x]) => [emitter.reshape(x, attributes.shape)],
  },
  transpose: {
    infer: ([{ dtype, shape }], { permutation }) => {
      const sizes = permutation.flatMap((axis) => shape[axis] ?? []);
      if (sizes.length !== shape.length || new Set(permutation).size !== shape.length) {
        throw new GraphError(`[${permutation}] is not a permutation of ${shape.length} axes`);
      }
      return [{ dtype, shape: sizes }];
    },
    vjp: ({ attributes: { permutation }, dy }) => [
      ops.transpose(
        dy,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      ),
    ],
    onnx: (emitter, { attributes }, inputs) => [emitter.node("Transpose", inputs, { perm: attributes.permutation })],
  },
  expand: {
    infer: ([{ dtype, shape: from }], { shape }) => {
      if (!sameShape(broadcastShapes(from, shape), shape)) {
        throw new GraphError(`${formatShape(from)} does not expand to ${formatShape(shape)}`);
      }
      return [{ dtype, shape }];
    },
    vjp: ({ dy }) => [dy],
    onnx: (emitter, { attributes }, [x]) => [emitter.node("Expand", [x, emitter.integers(attributes.shape)])],
  },
  slice: {
    infer: ([x], { axis, start, end }) => {
      const { dtype, shape } = x;
      if (start < 0 || end > sizeAt(x, axis) || start >= end) {
        throw new GraphError(`cannot take elements ${start} to ${end} of axis ${axis} of ${formatShape(shape)}`);
      }
      return [{ dtype, shape: withAxis(shape, axis, end - start) }];
    },
    vjp: ({ inputs: [x], attributes: { axis, start, end }, dy }) => [ops.pad(dy, axis, start, x.dim(axis) - end)],
    onnx: (emitter, { attributes: { axis, start, end } }, [x]) => [
      emitter.node("Slice", [x, emitter.integers([start]), emitter.integers([end]), emitter.integers([axis])]),
    ],
  },
  reverse: {
    infer: ([{ dtype, shape }]) => [{ dtype, shape }],
    vjp: ({ attributes: { axes }, dy }) => [ops.reverse(dy, axes)],
    onnx: (emitter, { attributes: { axes }, inputs: [x] }, [name]) => {
      const last = axes.map(() => -1);
      const before = axes.map((axis) => -x.dim(axis) - 1);
      return [emitter.node("Slice", [name, ...[last, before, axes, last].map((values) => emitter.integers(values))])];
    },
  },
  concat: {
    infer: (inputs, { axis }) => {
      const [{ dtype, shape }] = inputs;
      for (const part of inputs) {
        if (part.dtype !== dtype || !sameShape(withAxis(part.shape, axis, 0), withAxis(shape, axis, 0))) {
          throw new GraphError("parts differ outside the concatenated axis");
        }
      }
      const size = inputs.reduce((sum, part) => sum + sizeAt(part, axis), 0);
      return [{ dtype, shape: withAxis(shape, axis, size) }];
    },
    vjp: ({ inputs, attributes: { axis }, dy, needed }) => {
      let start = 0;
      return inputs.map((part, index) => {
        const from = start;
        start += part.dim(axis);
        return needed[index] ? ops.slice(dy, axis, from, start) : null;
      });
    },
    onnx: (emitter, { attributes }, inputs) => [emitter.node("Concat", inputs, { axis: attributes.axis })],
  },
  pad: {
    infer: ([x], { axis, before, after }) => {
      const { dtype, shape } = x;
      if (before < 0 || after < 0) throw new GraphError(`cannot pad with ${before} and ${after} elements`);
      return [{ dtype, shape: withAxis(shape, axis, sizeAt(x, axis) + before + after) }];
    },
    vjp: ({ inputs: [x], attributes: { axis, before }, dy }) => [ops.slice(dy, axis, before, before + x.dim(axis))],
    onnx: (emitter, { attributes: { axis, before, after }, inputs: [x] }, [name]) => {
      const rank = x.shape.length;
      const amounts = Array.from({ length: 2 * rank }, (_, index) =>
        index === axis ? before : index === axis + rank ? after : 0,
      );
      return [emitter.node("Pad", [name, emitter.integers(amounts)])];
    },
  },
};
