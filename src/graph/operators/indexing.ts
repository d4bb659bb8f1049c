/** @file Operators that read and write rows by index. */

import { sizeOf } from "../../core/tensor.js";
import { GraphError } from "../error.js";
import type { TensorType } from "../ir.js";
import * as ops from "../ops.js";
import { dims, float32, requireFloat } from "../shapes.js";
import type { OperatorRules } from "./rule.js";

function requireIndices(indices: TensorType): void {
  if (indices.dtype !== "int64") throw new GraphError(`indices are ${indices.dtype}, not int64`);
}

export const indexingRules: OperatorRules<"gather" | "scatterAdd"> = {
  gather: {
    infer: ([table, indices]) => {
      requireIndices(indices);
      return [{ dtype: table.dtype, shape: [...indices.shape, ...table.shape.slice(1)] }];
    },
    vjp: ({ inputs: [table, indices], dy }) => {
      const count = sizeOf(indices.shape);
      const summed = ops.scatterAdd(ops.reshape(indices, [count]), ops.reshape(dy, [count, -1]), table.dim(0));
      return [ops.reshape(summed, table.shape), null];
    },
    onnx: (emitter, _, inputs) => [emitter.node("Gather", inputs, { axis: 0 })],
  },
  scatterAdd: {
    infer: ([indices, updates], { rows }) => {
      requireIndices(indices);
      dims(indices, 1);
      const [, width] = dims(updates, 2);
      requireFloat(updates);
      return float32([rows, width]);
    },
    vjp: ({ inputs: [indices], dy }) => [null, ops.gather(dy, indices)],
    // Not ScatterND: onnxruntime's CPU kernel adds from several threads without a lock, so equal indices lose updates.
    onnx: (emitter, { inputs: [, rows], outputs: [table] }, [indices, updates]) => {
      const zeros = emitter.node("Expand", [emitter.scalar(0), emitter.integers(table.shape)]);
      const column = emitter.node("Unsqueeze", [indices, emitter.integers([1])]);
      const positions = emitter.node("Expand", [column, emitter.integers(rows.shape)]);
      return [emitter.node("ScatterElements", [zeros, positions, updates], { axis: 0, reduction: "add" })];
    },
  },
};
