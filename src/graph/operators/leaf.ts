/** @file The leaves of a graph: inputs, weights, constants. */

import type { DType } from "../../core/tensor.js";
import type { StoredType } from "../../weights/source.js";
import { GraphError } from "../error.js";
import type { OperatorRules } from "./rule.js";

/** Stored types that a graph can read without conversion. */
const parameterTypes: Partial<Record<StoredType, DType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
};

export const leafRules: OperatorRules<"input" | "parameter" | "constant"> = {
  input: {
    infer: (_, { dtype, shape }) => [{ dtype, shape }],
    vjp: "leaf",
    onnx: (_, { attributes }) => [attributes.name],
  },
  parameter: {
    infer: (_, { stored }) => {
      const dtype = parameterTypes[stored.dtype];
      if (dtype === undefined) {
        throw new GraphError(`weight ${stored.name} is stored as ${stored.dtype}, which graphs do not support`);
      }
      return [{ dtype, shape: stored.shape }];
    },
    vjp: "leaf",
    onnx: (emitter, { attributes }) => [emitter.external(attributes.stored)],
  },
  constant: {
    infer: (_, { tensor }) => [{ dtype: tensor.dtype, shape: tensor.shape }],
    vjp: "leaf",
    onnx: (emitter, { attributes }) => [emitter.initializer(attributes.tensor)],
  },
};
