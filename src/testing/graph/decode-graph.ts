/** @file Decodes serialised models. */

import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema, type NodeProto, type TensorProto } from "onnx-buf";
import type { OnnxModel } from "../../graph/onnx/model.js";

export function decodeGraph(model: OnnxModel): GraphProto {
  const { graph } = fromBinary(ModelProtoSchema, model.bytes);
  assert.ok(graph);
  return graph;
}

/** ONNX operator types, in order. */
export function opTypesOf(nodes: readonly NodeProto[]): string[] {
  return nodes.map(({ opType }) => opType);
}

/** The location, offset and length of an external initializer. */
export function externalDataOf({ externalData }: TensorProto): Record<string, string> {
  return Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
}
