/** @file Serialised models read back. */

import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema, type NodeProto, type TensorProto } from "onnx-buf";
import type { OnnxModel } from "../../graph/onnx/model.js";

export function decoded(model: OnnxModel): GraphProto {
  const { graph } = fromBinary(ModelProtoSchema, model.bytes);
  assert.ok(graph);
  return graph;
}

/** ONNX operator names, in order. */
export function typesOf(nodes: readonly NodeProto[]): string[] {
  return nodes.map(({ opType }) => opType);
}

/** The key-value pairs that say where an initializer lies. */
export function placeOf({ externalData }: TensorProto): Record<string, string> {
  return Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
}
